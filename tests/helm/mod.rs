//! The Helm chart and the images, without a cluster: the real helm lints and renders, what comes out is checked
//! against the API of Kubernetes, the restricted profile, the real binary and the metrics there are.

mod alive;
mod chart;
mod documented;
mod images;
pub(crate) mod metrics;
mod parts;
mod pods;
mod renders;
pub(crate) mod tools;
