//! Which container of Kubernetes wrote a log.

use serde::{Deserialize, Serialize};

/// A container of a pod, by the names that Kubernetes gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodContainer {
    /// The namespace of the pod.
    pub namespace: String,
    /// The name of the pod.
    pub pod: String,
    /// The identity of the pod: another pod that bears the same name later has another.
    pub uid: String,
    /// The name of the container in the pod.
    pub container: String,
}

impl PodContainer {
    /// Bytes of memory that it takes on the heap.
    pub(super) const fn held_bytes(&self) -> usize {
        self.namespace.len() + self.pod.len() + self.uid.len() + self.container.len()
    }
}
