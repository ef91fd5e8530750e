//! P3: instances that outlive their handles. One list for the process; a forked child begins its own.

use crate::credentials::Credentials;
use crate::error::Result;
use crate::fork;
use crate::instance::{Instance, Spec};
use arc_swap::ArcSwapOption;
use std::sync::{Arc, Mutex};

/// The persistent instances of this process, as of one count of forks.
struct Registry {
    generation: u32,
    // std's lock: see `gate`.
    instances: Mutex<Vec<Arc<Instance>>>,
}

static REGISTRY: ArcSwapOption<Registry> = ArcSwapOption::const_empty();

fn registry() -> Arc<Registry> {
    loop {
        let known = REGISTRY.load_full();
        if let Some(registry) = &known
            && registry.generation == fork::generation()
        {
            return Arc::clone(registry);
        }
        // P1: the parent's list, and every instance in it, is leaked: a lock in it may be held by nobody.
        std::mem::forget(known.clone());
        let fresh = Arc::new(Registry { generation: fork::generation(), instances: Mutex::default() });
        REGISTRY.compare_and_swap(&known, Some(fresh));
    }
}

/// The instance with these settings and credentials; `make` makes it if there is none yet.
pub fn share(spec: &Spec, credentials: &Credentials, make: impl FnOnce() -> Result<Instance>) -> Result<Arc<Instance>> {
    let registry = registry();
    let mut instances = registry.instances.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let same = |instance: &&Arc<Instance>| *instance.spec == *spec && **instance.credentials.load() == *credentials;
    if let Some(instance) = instances.iter().find(same) {
        return Ok(Arc::clone(instance));
    }
    let instance = Arc::new(make()?);
    instances.push(Arc::clone(&instance));
    Ok(instance)
}
