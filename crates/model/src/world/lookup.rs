//! Pods and Services by their names: a world of ten thousand is asked for one of them a million times.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use super::pod::Pod;
use super::service::Service;

/// Where things of a name stand, by namespace and name.
type Places = HashMap<Arc<str>, HashMap<Arc<str>, Vec<usize>>>;

/// The index of the lists that it was made of; it is made when somebody asks.
#[derive(Debug, Clone, Default)]
pub(super) struct Lookup {
    pods: OnceLock<Arc<Index<Pod>>>,
    services: OnceLock<Arc<Index<Service>>>,
}

#[derive(Debug)]
struct Index<T> {
    /// What was indexed: whoever holds other things must not be told of these.
    list: Arc<[T]>,
    places: Places,
}

impl Lookup {
    /// Where the pods of a workload, or of this name, stand among `pods`, in their order; none if another list was asked
    /// about before.
    pub(super) fn workload(&self, pods: &Arc<[Pod]>, namespace: &str, name: &str) -> Option<&[usize]> {
        let index = self.pods.get_or_init(|| {
            let names = |pod: &Pod| {
                let other = (pod.workload != pod.name).then(|| Arc::clone(&pod.name));
                (Arc::clone(&pod.namespace), [Some(Arc::clone(&pod.workload)), other])
            };
            Arc::new(Index::of(pods, names))
        });
        index.at(pods, namespace, name)
    }

    /// Where the Service of this name stands among `services`; none if another list was asked about before.
    pub(super) fn service(&self, services: &Arc<[Service]>, namespace: &str, name: &str) -> Option<&[usize]> {
        let index = self.services.get_or_init(|| {
            let names = |service: &Service| (Arc::clone(&service.namespace), [Some(Arc::clone(&service.name)), None]);
            Arc::new(Index::of(services, names))
        });
        index.at(services, namespace, name)
    }
}

impl<T> Index<T> {
    fn of(list: &Arc<[T]>, names: impl Fn(&T) -> (Arc<str>, [Option<Arc<str>>; 2])) -> Self {
        let mut places = Places::new();
        for (place, item) in list.iter().enumerate() {
            let (namespace, names) = names(item);
            let home = places.entry(namespace).or_default();
            for name in names.into_iter().flatten() {
                home.entry(name).or_default().push(place);
            }
        }
        Self { list: Arc::clone(list), places }
    }

    fn at(&self, list: &Arc<[T]>, namespace: &str, name: &str) -> Option<&[usize]> {
        let found = || self.places.get(namespace).and_then(|home| home.get(name)).map_or(&[][..], Vec::as_slice);
        Arc::ptr_eq(&self.list, list).then(found)
    }
}
