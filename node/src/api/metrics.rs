//! `/metrics`: the node's numbers as Prometheus reads them. Gauges of the chain and the loop are
//! taken at the moment of the scrape; when the loop does not answer, its last ones stand.

use super::answer::ApiAnswer;
use super::context::{ApiContext, HEALTH_TIMEOUT};
use crate::metrics::CONTENT_TYPE;
use crate::ports::{Clock, Command};

pub async fn metrics<C: Clock>(context: &ApiContext<C>) -> ApiAnswer {
    if let Ok(status) = context.ask(HEALTH_TIMEOUT, Command::Status).await {
        context.metrics.observe_status(&status);
    }
    if let Ok((_, tip)) = context.snapshot_at_tip() {
        context.metrics.observe_tip(&tip, context.clock.now().wall);
    }
    ApiAnswer::new(200, CONTENT_TYPE, context.metrics.render())
}
