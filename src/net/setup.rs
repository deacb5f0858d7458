//! What a reactor starts with: services and their first sources.

use std::any::Any;

use super::context::Context;
use super::handle::Handle;
use super::reactor::Reactor;
use super::service::{Service, Unborn};
use crate::values::{Address, Endpoint, Error, Id, ServiceId, Statistics};

/// Setting up.
impl Reactor {
    /// Adds a service without any source yet; [`context`](Reactor::context) gives it some.
    pub fn add(&mut self, service: impl Service) -> ServiceId {
        self.halves.core.add_service(Box::new(service))
    }

    /// Listens on an endpoint, which this service serves alone.
    ///
    /// # Errors
    ///
    /// Those of [`Context::listen`]; the service is dropped then.
    pub fn listen(&mut self, endpoint: &Endpoint, service: impl Service) -> Result<Id, Error> {
        let service = self.add(service);
        let made = self.context(service).listen(endpoint);
        made.inspect_err(|_| self.halves.core.withdraw_service(service))
    }

    /// Connects to an endpoint; this service gets the connection.
    ///
    /// # Errors
    ///
    /// Those of [`Context::connect`]; the service is dropped then.
    pub fn connect(&mut self, endpoint: &Endpoint, service: impl Service) -> Result<Id, Error> {
        let service = self.add(service);
        let made = self.context(service).connect(endpoint);
        made.inspect_err(|_| self.halves.core.withdraw_service(service))
    }

    /// Adds a service that is made together with its first sources, so that it knows their ids from
    /// the beginning.
    ///
    /// ```
    /// # use echoloop::{Config, Half, Id, Reactor, Service};
    /// # struct Relay { from: Id, to: Id }
    /// # impl Service for Relay {}
    /// # let mut reactor = Reactor::new(Config::default())?;
    /// # let (keyboard, screen) = (std::io::pipe().unwrap().0, std::io::pipe().unwrap().1);
    /// reactor.start(|cx| {
    ///     let (from, to) = (cx.adopt(keyboard, Half::Read)?, cx.adopt(screen, Half::Write)?);
    ///     Ok(Relay { from, to })
    /// })?;
    /// # Ok::<(), echoloop::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// What `set_up` returns; what it had made is closed then.
    pub fn start<S: Service>(
        &mut self,
        set_up: impl FnOnce(&mut Context<'_>) -> Result<S, Error>,
    ) -> Result<ServiceId, Error> {
        let id = self.add(Unborn);
        match set_up(&mut self.context(id)) {
            Ok(service) => {
                let halves = &mut self.halves;
                halves.services.append(&mut halves.core.arrivals);
                halves.services[id.0 as usize] = Box::new(service);
                Ok(id)
            }
            Err(error) => {
                self.halves.core.forget_service(id);
                Err(error)
            }
        }
    }

    /// What the service could do if it were called now: listen, connect, set timers, send.
    ///
    /// # Panics
    ///
    /// When the service is another reactor's.
    pub fn context(&mut self, service: ServiceId) -> Context<'_> {
        assert!(service.0 < self.halves.core.services, "the service belongs to this reactor");
        self.halves.core.read_clock(); // The last turn may be long ago.
        Context { core: &mut self.halves.core, service, id: Id::NONE }
    }

    /// The service itself, to give it something or to see what it has gathered. `None` if it is of
    /// another type.
    pub fn service<S: Service>(&mut self, service: ServiceId) -> Option<&mut S> {
        self.halves.services.append(&mut self.halves.core.arrivals);
        let service: &mut dyn Any = &mut **self.halves.services.get_mut(service.0 as usize)?;
        service.downcast_mut()
    }

    /// What a listener or a datagram socket is bound to, which tells the port when 0 was asked for; our
    /// own end of a connection.
    pub fn local(&mut self, id: Id) -> Option<Address> {
        Context { core: &mut self.halves.core, service: ServiceId(0), id }.local()
    }

    /// A handle for other threads.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// What the reactor has done so far.
    pub fn statistics(&self) -> Statistics {
        self.halves.core.statistics()
    }
}
