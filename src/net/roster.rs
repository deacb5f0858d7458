//! Which services there are, and for how long.

use slab::Slab;

use crate::values::ServiceKey;

/// The services of a reactor, as far as the half of it that they may touch must know them: the services
/// themselves are in the other half.
///
/// A service stays for as long as it has a source or a timer, or its name is held by
/// the host or service that added it by itself. One that came with a listener or a connection has no name, and goes with the last of
/// its sources and timers.
#[derive(Default)]
pub(super) struct Roster {
    residents: Slab<Resident>,
    generation: u32,
    /// Those that nothing keeps here any more, as it seemed when they were put down.
    departing: Vec<ServiceKey>,
}

struct Resident {
    generation: u32,
    is_named: bool,
    /// Sources and timers.
    uses: usize,
}

impl Roster {
    /// A place for one more service, which has a name until that is [given up](Roster::release).
    pub(super) fn add(&mut self) -> ServiceKey {
        self.generation = self.generation.wrapping_add(1);
        let generation = self.generation;
        let slot = self.residents.insert(Resident { generation, is_named: true, uses: 0 });
        ServiceKey::new(slot, generation)
    }

    /// Whether the service is still there.
    pub(super) fn has(&self, service: ServiceKey) -> bool {
        self.find(service).is_some()
    }

    fn find(&self, service: ServiceKey) -> Option<&Resident> {
        let resident = self.residents.get(service.slot())?;
        (resident.generation == service.generation()).then_some(resident)
    }

    fn find_mut(&mut self, service: ServiceKey) -> Option<&mut Resident> {
        let resident = self.residents.get_mut(service.slot())?;
        (resident.generation == service.generation()).then_some(resident)
    }

    /// The service has one more source or timer.
    pub(super) fn join(&mut self, service: ServiceKey) {
        let resident = self.find_mut(service).expect("whoever makes a source is there");
        resident.uses += 1;
    }

    /// The service has one source or timer less.
    pub(super) fn leave(&mut self, service: ServiceKey) {
        let resident = self.find_mut(service).expect("it had a source or a timer, so it is there");
        resident.uses -= 1;
        self.let_go(service);
    }

    /// The service is known by name no more.
    pub(super) fn release(&mut self, service: ServiceKey) {
        if let Some(resident) = self.find_mut(service) {
            resident.is_named = false;
            self.let_go(service);
        }
    }

    fn let_go(&mut self, service: ServiceKey) {
        if self.find(service).is_some_and(Resident::is_free) {
            self.departing.push(service);
        }
    }

    /// Takes away one that nothing keeps here; says where it was.
    pub(super) fn depart(&mut self) -> Option<usize> {
        while let Some(service) = self.departing.pop() {
            // It may have got a source since it was put down, or be here twice.
            if self.find(service).is_some_and(Resident::is_free) {
                self.residents.remove(service.slot());
                return Some(service.slot());
            }
        }
        None
    }
}

impl Resident {
    fn is_free(&self) -> bool {
        self.uses == 0 && !self.is_named
    }
}
