//! Requests by route: a bounded table, read without an allocation.

use std::{
    collections::BTreeMap,
    sync::{PoisonError, RwLock},
    time::Duration,
};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::{Registry, Unit},
};

use super::seconds_buckets;

/// Routes that get labels of their own. The router has some forty; the bound holds even if someone passes paths for patterns.
const ROUTES_MAX: usize = 128;

/// The label of a request that no route matched, or whose route comes after [`ROUTES_MAX`] others.
const OTHER_ROUTE: &str = "other";

/// The classes of a status code, in the order of their first digit.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CountLabels {
    route: String,
    status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DurationLabels {
    route: String,
}

#[derive(Debug)]
pub(super) struct Requests {
    counts: Family<CountLabels, Counter>,
    durations: Family<DurationLabels, Histogram, fn() -> Histogram>,
    /// Handles of the two families by route.
    routes: RwLock<BTreeMap<String, Route>>,
}

#[derive(Debug, Clone)]
struct Route {
    counts: [Counter; 5],
    duration_seconds: Histogram,
}

impl Requests {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let counts = Family::default();
        let durations = Family::new_with_constructor((|| Histogram::new(seconds_buckets())) as fn() -> Histogram);
        registry.register("http_requests", "Answered requests by route and class of status", counts.clone());
        registry.register_with_unit(
            "http_request_duration",
            "Time from a request's head to its answer's head",
            Unit::Seconds,
            durations.clone(),
        );
        Self { counts, durations, routes: RwLock::default() }
    }

    pub(super) fn observe(&self, route: Option<&str>, status: u16, duration: Duration) {
        let class = usize::from(status / 100).saturating_sub(1);
        let route = self.route(route.unwrap_or(OTHER_ROUTE));
        if let Some(count) = route.counts.get(class) {
            count.inc();
        }
        route.duration_seconds.observe(duration.as_secs_f64());
    }

    fn route(&self, name: &str) -> Route {
        if let Some(route) = self.routes.read().unwrap_or_else(PoisonError::into_inner).get(name) {
            return route.clone();
        }
        let mut routes = self.routes.write().unwrap_or_else(PoisonError::into_inner);
        let name = if routes.len() < ROUTES_MAX || routes.contains_key(name) { name } else { OTHER_ROUTE };
        routes.entry(name.to_owned()).or_insert_with(|| self.make(name)).clone()
    }

    fn make(&self, name: &str) -> Route {
        let counts = CLASSES.map(|status| self.counts.get_or_create_owned(&CountLabels { route: name.to_owned(), status }));
        let duration_seconds = self.durations.get_or_create_owned(&DurationLabels { route: name.to_owned() });
        Route { counts, duration_seconds }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_bounded() {
        let mut registry = Registry::default();
        let requests = Requests::register(&mut registry);

        for number in 0..10 * ROUTES_MAX {
            requests.observe(Some(&format!("/path/{number}")), 200, Duration::from_millis(1));
        }

        let routes = requests.routes.read().unwrap().len();
        assert_eq!(routes, ROUTES_MAX + 1);
    }

    #[test]
    fn an_impossible_status_does_no_harm() {
        let requests = Requests::register(&mut Registry::default());

        requests.observe(None, 0, Duration::ZERO);
        requests.observe(None, 999, Duration::ZERO);

        assert_eq!(requests.routes.read().unwrap().len(), 1);
    }
}
