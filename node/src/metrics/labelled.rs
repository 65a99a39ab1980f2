//! A family of metrics that differ in one label, written in the order of the label's values.
//!
//! prometheus-client's own `Family` prints in the order of a randomly seeded hash map, so the same
//! run would give other bytes in another process; this one is a `BTreeMap`. Label values are
//! `&'static str` on purpose: no stranger's text can add a series.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use archivas_core::probes::Probes;
use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::{MetricType, TypedMetric};

/// Metrics of one name, one for each value of one label. Clones share them.
#[derive(Clone)]
pub(super) struct Labelled<M> {
    label: &'static str,
    make: fn() -> M,
    metrics: Arc<Mutex<BTreeMap<&'static str, M>>>,
}

impl<M: Clone> Labelled<M> {
    /// A family without metrics yet; `make` makes a new one.
    pub(super) fn new(label: &'static str, make: fn() -> M) -> Self {
        let metrics = Arc::default();
        Self {
            label,
            make,
            metrics,
        }
    }

    /// The metric of `value`, made when first asked for.
    pub(super) fn of(&self, value: &'static str) -> M {
        let mut metrics = self.metrics.lock().unwrap_or_else(PoisonError::into_inner);
        metrics.entry(value).or_insert_with(self.make).clone()
    }
}

impl<M> fmt::Debug for Labelled<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Labelled").field(&self.label).finish()
    }
}

impl<M: EncodeMetric + TypedMetric> EncodeMetric for Labelled<M> {
    fn encode(&self, mut encoder: MetricEncoder) -> Result<(), fmt::Error> {
        let metrics = self.metrics.lock().unwrap_or_else(PoisonError::into_inner);
        for (value, metric) in &*metrics {
            metric.encode(encoder.encode_family(&[(self.label, *value)])?)?;
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        M::TYPE
    }
}

/// The node's probes, as counters that differ in the label `probe`; those never hit count 0.
#[derive(Debug)]
pub(super) struct Probed(pub Probes);

impl EncodeMetric for Probed {
    fn encode(&self, mut encoder: MetricEncoder) -> Result<(), fmt::Error> {
        for (name, count) in self.0.counts() {
            let label = [("probe", name)];
            let mut family = encoder.encode_family(&label)?;
            family.encode_counter::<NoLabelSet, _, u64>(&count, None)?;
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Counter
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::encoding::text::encode;
    use prometheus_client::metrics::counter::Counter;
    use prometheus_client::registry::Registry;

    #[test]
    fn series_are_written_in_the_order_of_their_label() {
        let family = Labelled::new("route", Counter::<u64>::default);
        for route in ["/tx", "/account", "/tx", "/block", "/zoo", "/mempool"] {
            family.of(route).inc();
        }
        let mut registry = Registry::default();
        registry.register("calls", "Calls", family);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        let routes: Vec<_> = text
            .lines()
            .filter(|line| line.starts_with("calls"))
            .collect();
        assert_eq!(
            routes,
            [
                "calls_total{route=\"/account\"} 1",
                "calls_total{route=\"/block\"} 1",
                "calls_total{route=\"/mempool\"} 1",
                "calls_total{route=\"/tx\"} 2",
                "calls_total{route=\"/zoo\"} 1",
            ]
        );
    }
}
