//! A scenario: what gives a plan for each seed. Most are one plan whatever the seed; the ranges of
//! others become draws; the swarm makes its whole plan from the seed.

use super::load::Overrides;
use super::parse::{Flaw, Format, PlanError, locate, parse_document, position, unlocated};
use super::ranges::{Filled, Template};
use super::{Plan, resolve};
use crate::draws::Draws;
use crate::swarm;
use crate::world::WorldKind;

/// How many seeds are tried when a scenario with ranges is read: a flaw that shows only where draws
/// meet should be seen at once.
const TRIED: u64 = 8;

/// What gives a plan for each seed.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// Other names by which it is asked for.
    pub aliases: Vec<String>,
    /// What the story is.
    pub about: String,
    /// The worlds that can play it.
    pub worlds: Vec<WorldKind>,
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    /// The same plan for every seed.
    Fixed(Box<Plan>),
    /// A text with ranges.
    Drawn(Box<Drawn>),
    /// Another plan for each seed, made from nothing else.
    Swarm(Overrides),
}

#[derive(Clone, Debug)]
struct Drawn {
    text: String,
    format: Format,
    origin: String,
    template: Template,
    overrides: Overrides,
}

impl Scenario {
    /// Reads a scenario from text; `origin` is how messages call it.
    ///
    /// # Errors
    /// The first thing wrong, in one sentence with line and column.
    pub fn parse(
        text: &str,
        format: Format,
        origin: &str,
        overrides: Overrides,
    ) -> Result<Self, PlanError> {
        let template =
            Template::new(text, format).map_err(|flaw: Flaw| locate(flaw, text, format, origin))?;
        let fixed = template.is_fixed();
        let drawn = Drawn {
            text: text.to_owned(),
            format,
            origin: origin.to_owned(),
            template,
            overrides,
        };
        let plan = drawn.plan(&drawn.template.at_an_end(false))?;
        if fixed {
            return Ok(plan.into());
        }
        drawn.plan(&drawn.template.at_an_end(true))?;
        for seed in 0..TRIED {
            drawn.plan(&drawn.template.draw(&Draws::new(seed)))?;
        }
        let source = Source::Drawn(Box::new(drawn));
        Ok(Self {
            source,
            ..plan.into()
        })
    }

    /// The plan of a seed.
    ///
    /// # Errors
    /// When the values drawn for this seed make no plan.
    pub fn plan(&self, seed: u64) -> Result<Plan, PlanError> {
        match &self.source {
            Source::Fixed(plan) => Ok((**plan).clone()),
            Source::Drawn(drawn) => drawn.plan(&drawn.template.draw(&Draws::new(seed))),
            Source::Swarm(overrides) => {
                let document = overrides.apply(swarm::document(seed));
                Plan::resolve(document, "the swarm")
            }
        }
    }

    /// The scenario that makes its whole plan from the seed.
    pub fn swarm(overrides: Overrides) -> Self {
        Self {
            name: swarm::NAME.to_owned(),
            aliases: Vec::new(),
            about: swarm::ABOUT.to_owned(),
            worlds: vec![WorldKind::Sim],
            source: Source::Swarm(overrides),
        }
    }

    /// Whether every seed has the same plan.
    pub const fn is_fixed(&self) -> bool {
        matches!(self.source, Source::Fixed(_))
    }
}

impl From<Plan> for Scenario {
    fn from(plan: Plan) -> Self {
        Self {
            name: plan.name.clone(),
            aliases: plan.document().aliases.clone(),
            about: plan.about.clone(),
            worlds: plan.worlds.clone(),
            source: Source::Fixed(Box::new(plan)),
        }
    }
}

impl Drawn {
    fn plan(&self, filled: &Filled) -> Result<Plan, PlanError> {
        let (text, format, origin) = (filled.text.as_str(), self.format, self.origin.as_str());
        let own_place = |mut error: PlanError| {
            error.place = error.place.map(|place| self.own_place(filled, place));
            error
        };
        let document = parse_document(text, format, origin).map_err(own_place)?;
        if self.overrides == Overrides::default() {
            let located = |flaw| own_place(locate(flaw, text, format, origin));
            return resolve::resolve(document).map_err(located);
        }
        let changed = self.overrides.apply(document);
        resolve::resolve(changed).map_err(|flaw| unlocated(&flaw, &format!("{origin}, changed")))
    }

    /// A line and column of the drawn text, as the scenario's own text has them.
    fn own_place(&self, filled: &Filled, (line, column): (usize, usize)) -> (usize, usize) {
        let lines = filled.text.split_inclusive('\n').take(line - 1);
        let start: usize = lines.map(str::len).sum();
        let chars = filled.text[start..].chars().take(column - 1);
        let offset = start + chars.map(char::len_utf8).sum::<usize>();
        position(&self.text, filled.original(offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"version = 1
name = "drawn"
about = "Two to five nodes."
duration_s = "100..200"
node_count = "2..3"
nodes = [{ name = "a", hash_power = "1.0..5.0" }, { name = "b" }, { name = "c" }]
events = [{ at_s = "10..90", act = "kill|stop", node = "a|b" }, { at_s = 1, act = "cut", groups = ["1 of a|b"] }]
[expect]
agree_within_s = 60
"#;

    fn scenario(text: &str) -> Result<Scenario, PlanError> {
        Scenario::parse(text, Format::Toml, "x.toml", Overrides::default())
    }

    #[test]
    fn each_seed_has_a_plan_of_its_own_without_ranges() {
        let scenario = scenario(TEXT).unwrap();
        assert!(!scenario.is_fixed());
        let plans: Vec<Plan> = (0..20).map(|seed| scenario.plan(seed).unwrap()).collect();
        assert!(plans.iter().any(|plan| plan.nodes.len() == 2));
        assert!(plans.iter().any(|plan| plan.nodes.len() == 3));
        assert_ne!(plans[0].document(), plans[1].document());
        for plan in &plans {
            let again = Plan::parse(&plan.to_json(), Format::Json, "x.json").unwrap();
            assert_eq!(again.document(), plan.document());
            assert!(!plan.to_json().contains(".."), "{}", plan.to_json());
        }
    }

    #[test]
    fn a_flaw_is_told_where_the_scenario_has_it() {
        let text = TEXT.replace("\"10..90\"", "\"10..900\"");
        let error = scenario(&text).unwrap_err().to_string();
        assert_eq!(
            error,
            "x.toml, line 7, column 20: the event lies after the end of the plan"
        );
        let text = TEXT.replace(
            "groups = [\"1 of a|b\"]",
            "groups = [\"1 of a|b\"], nod = 1",
        );
        let error = scenario(&text).unwrap_err().to_string();
        let column = text.lines().nth(6).unwrap().find("nod =").unwrap() + 1;
        let place = format!("x.toml, line 7, column {column}: unknown field `nod`");
        assert!(error.starts_with(&place), "{error}");
    }

    #[test]
    fn a_bad_range_is_told_with_its_place() {
        let error = scenario(&TEXT.replace("\"100..200\"", "\"200..100\"")).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("x.toml, line 4, column 14: `200..100`"),
            "{error}"
        );
    }

    #[test]
    fn a_node_that_only_some_seeds_have_may_not_be_named() {
        let error = scenario(&TEXT.replace("\"a|b\"", "\"a|c\"")).unwrap_err();
        assert!(
            error.to_string().contains("there is no node `c`"),
            "{error}"
        );
    }
}
