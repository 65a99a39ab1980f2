//! How block trees grow: along the tip, beside it, deep below it, in disorder, with rot inside.

use super::world::Wish;
use super::{Dice, Fault, World};

/// A rival branch that forks deeper than this is given up for a new one.
const RIVAL_DEPTH_MAX: u64 = 45;

/// A rival branch that is not heavier after so many blocks more is given up.
const RIVAL_BLOCKS_MAX: usize = 80;

impl World {
    /// A valid block on the tip.
    pub fn grow(&mut self, dice: &mut Dice) {
        let tip = self.tip();
        let order = self.forge.order(tip, dice);
        let place = self.forge.make(tip, order);
        self.deliver(place);
    }

    /// A branch from more than ten below the tip, until it wins.
    pub fn rival(&mut self, dice: &mut Dice) {
        let tip = self.tip();
        if self.forge.height(tip) < 24 {
            return (0..6).for_each(|_| self.grow(dice));
        }
        let deep = |rival: &usize| {
            let depth = self.forge.apart(tip, *rival);
            (11..=RIVAL_DEPTH_MAX).contains(&depth) && self.forge.made[*rival].accounts.is_some()
        };
        let rival = self.rival.filter(deep);
        let mut end = rival.unwrap_or_else(|| self.forge.ancestor(tip, 11 + dice.below(12)));
        for _ in 0..RIVAL_BLOCKS_MAX {
            let order = self.forge.order(end, dice);
            end = self.forge.make(end, order);
            self.deliver(end);
            let id = *self.forge.made[end].id.as_bytes();
            let Some(work) = self.model.chainwork(&id) else {
                return self.rival = None;
            };
            let heavier = work > self.chain.tip().chainwork.to_be_bytes();
            if self.tip() == end || heavier && dice.once_in(4) {
                break;
            }
        }
        self.rival = Some(if self.tip() == end { tip } else { end });
    }

    /// A branch that would win, but for one block in it that the accounts refuse.
    pub fn poison(&mut self, dice: &mut Dice) {
        let tip = self.tip();
        let depth = dice.below(14).min(self.forge.height(tip));
        let length = depth + 1 + dice.below(3);
        let bad = dice.below(length);
        let mut end = self.forge.ancestor(tip, depth);
        let mut places = Vec::new();
        for index in 0..length {
            end = if index == bad {
                let fault = *dice.pick(&Fault::OF_STATE);
                self.forge.make_faulty(end, fault, dice)
            } else {
                let order = self.forge.order(end, dice);
                self.forge.make(end, order)
            };
            places.push(end);
        }
        self.deliver_branch(places, dice);
    }

    /// A small tree beside the tip, some of it invalid, some of it held back.
    pub fn bush(&mut self, dice: &mut Dice) {
        let tip = self.tip();
        let depth = dice.below(4).min(self.forge.height(tip));
        let mut places = vec![self.forge.ancestor(tip, depth)];
        for _ in 0..5 + dice.below(7) {
            let recent = &places[places.len().saturating_sub(4)..];
            let parent = *dice.pick(recent);
            let place = if dice.once_in(14) {
                let fault = *dice.pick(&Fault::ALL);
                self.forge.make_faulty(parent, fault, dice)
            } else {
                let order = self.forge.order(parent, dice);
                self.forge.make(parent, order)
            };
            places.push(place);
        }
        places.remove(0);
        let kept = places.len() - dice.place(3);
        places.truncate(kept);
        self.deliver_branch(places, dice);
    }

    /// Headers first or not, bodies in order or not.
    fn deliver_branch(&mut self, mut places: Vec<usize>, dice: &mut Dice) {
        if dice.once_in(2) {
            self.deliver_headers(&places);
        }
        match dice.below(3) {
            0 => {}
            1 => places.reverse(),
            _ => dice.shuffle(&mut places),
        }
        for place in places {
            self.deliver(place);
            if dice.once_in(12) {
                self.deliver(place);
            }
            if dice.once_in(25) {
                self.restart();
            }
        }
    }

    /// A block with one fault, mostly on the tip, and sometimes its child.
    pub fn fault(&mut self, dice: &mut Dice) {
        let tip = self.tip();
        let below = dice.below(3).min(self.forge.height(tip));
        let parent = if dice.once_in(4) {
            self.forge.ancestor(tip, below)
        } else {
            tip
        };
        let fault = *dice.pick(&Fault::ALL);
        let place = self.forge.make_faulty(parent, fault, dice);
        if dice.once_in(3) {
            self.deliver_headers(&[place]);
        }
        self.deliver(place);
        if dice.once_in(3) {
            let order = self.forge.order(place, dice);
            let child = self.forge.make(place, order);
            self.deliver(child);
            self.deliver(place);
        }
    }

    /// A changed body under an honest header, then the honest one.
    pub fn mutate(&mut self, dice: &mut Dice) {
        let tip = self.tip();
        let order = self.forge.order(tip, dice);
        let place = self.forge.make(tip, order);
        if dice.once_in(2) {
            self.deliver_headers(&[place]);
        }
        for _ in 0..1 + dice.below(2) {
            let changed = self.forge.mutated(place, dice);
            self.deliver_bytes(&changed.encode());
        }
        self.deliver(place);
    }

    /// A block from one millisecond too far ahead, then the same a millisecond later.
    pub fn future(&mut self, dice: &mut Dice) {
        let tip = self.tip();
        let mut order = self.forge.order(tip, dice);
        let limit = self.forge.rules.future_limit_ms;
        order.timestamp = order.timestamp.max(self.clock_ms + limit + 1);
        self.clock_ms = order.timestamp - limit - 1;
        let place = self.forge.make(tip, order);
        let block = &self.forge.made[place].block;
        let (header, bytes) = (block.header, block.encode());
        let outcome = self.model.submit_header(&header.encode(), self.clock_ms);
        assert_eq!(super::compare::outcome_name(&outcome), "not_yet");
        self.deliver_bytes(&bytes);
        self.clock_ms += 1;
        self.deliver_bytes(&bytes);
    }

    /// Something that was made before, once more, or for the first time.
    pub fn again(&mut self, dice: &mut Dice) {
        let count = self.forge.made.len();
        let recent = count - 1 - dice.place(count.min(40));
        let place = if dice.once_in(3) {
            dice.place(count)
        } else {
            recent
        };
        if dice.once_in(3) {
            let top = self.forge.height(place).min(dice.below(30));
            let mut places: Vec<usize> = (0..=top)
                .map(|below| self.forge.ancestor(place, below))
                .collect();
            places.reverse();
            return self.deliver_headers(&places);
        }
        self.deliver(place);
    }

    /// The operator speaks: about a recent block, or the end of a rival branch.
    pub fn operator(&mut self, dice: &mut Dice) {
        let (tip, count) = (self.tip(), self.forge.made.len());
        let depth = dice.below(20).min(self.forge.height(tip));
        let recent = count - 1 - dice.place(count.min(30));
        let place = match dice.below(4) {
            0 => self.forge.ancestor(tip, depth),
            1 => self.rival.unwrap_or(recent),
            _ => recent,
        };
        let id = self.forge.made[place].id;
        if place == 0 || self.model.header(id.as_bytes()).is_none() {
            return;
        }
        let wishes = [Wish::Accept, Wish::SetAside, Wish::Reconsider];
        let wish = *dice.pick(&wishes);
        self.operate(wish, &id);
        if wish == Wish::SetAside && dice.once_in(2) {
            self.operate(Wish::Reconsider, &id);
        }
    }

    /// A block with a few bits or bytes changed at random.
    pub fn garble(&mut self, dice: &mut Dice) {
        let place = dice.place(self.forge.made.len());
        let mut bytes = self.forge.made[place].block.encode();
        match dice.below(4) {
            0 => bytes.truncate(dice.place(bytes.len())),
            1 => bytes.push(dice.roll().to_le_bytes()[0]),
            2 => bytes.insert(160 + dice.place(bytes.len() - 160), 0x80),
            _ => {
                let at = dice.place(bytes.len());
                bytes[at] ^= 1 << dice.below(8);
            }
        }
        self.deliver_bytes(&bytes);
    }

    /// A reorganization that takes several commits: a long branch whose first body comes last, from
    /// far below the tip.
    pub fn long_haul(&mut self, dice: &mut Dice) {
        while self.forge.height(self.tip()) < 75 {
            self.grow(dice);
        }
        let tip = self.tip();
        let fork = self.forge.ancestor(tip, 60 + dice.below(15));
        let mut end = fork;
        let mut places = Vec::new();
        for _ in 0..150 + dice.below(60) {
            let order = self.forge.order(end, dice);
            end = self.forge.make(end, order);
            places.push(end);
        }
        self.deliver_headers(&places);
        places.rotate_left(1);
        for place in places {
            self.deliver(place);
        }
        self.counts.walks += u64::from(self.chain.is_walking());
        if dice.once_in(2) {
            self.restart();
        }
        if self.chain.is_walking() && dice.once_in(2) {
            self.step();
        }
        let order = self.forge.order(tip, dice);
        let beside = self.forge.make(tip, order);
        self.deliver(beside);
        self.settle();
        self.compare_rest();
    }
}
