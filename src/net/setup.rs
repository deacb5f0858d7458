//! Making services and sources: before the loop runs, and from inside it.

use std::any::Any;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use super::context::Context;
use super::core::Core;
use super::handle::Handle;
use super::reactor::Reactor;
use super::service::{Service, Unborn};
use super::socket::adopted;
use super::table::Origin;
use super::{dial, listen};
use crate::machines::{Connection, Half};
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
        Context { core: &mut self.halves.core, service, id: Id::NONE, asked: None }
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
        Context { core: &mut self.halves.core, service: ServiceId(0), id, asked: None }.local()
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

/// Making sources.
impl Context<'_> {
    /// Adds a service, for the sources that will name it.
    pub fn add(&mut self, service: impl Service) -> ServiceId {
        self.core.add_service(Box::new(service))
    }

    /// The same context for another service: what is made through it belongs to that one.
    pub fn of(&mut self, service: ServiceId) -> Context<'_> {
        Context { core: self.core, service, id: self.id, asked: self.asked }
    }

    /// Listens on an endpoint of any kind; this service serves it. A host name is looked up first,
    /// which blocks.
    ///
    /// # Errors
    ///
    /// The address is in use, not ours, not permitted; no descriptor is left; the reactor is stopping.
    pub fn listen(&mut self, endpoint: &Endpoint) -> Result<Id, Error> {
        listen::listen(self.core, self.service, endpoint)
            .map_err(|error| Error::new("listen on", endpoint, error))
    }

    /// Connects to an endpoint of any kind. [`Service::opened`] tells when the connection is there,
    /// [`Service::closed`] when it could not be made, never before this has returned. All addresses
    /// of a host name are tried in turn, within
    /// [`Config::connect_timeout`](crate::Config::connect_timeout); looking the name up blocks.
    ///
    /// A datagram socket is connected at once, connect(2), and no [`Service::opened`] follows.
    ///
    /// # Errors
    ///
    /// The name can't be resolved; no descriptor is left; the reactor is stopping. For datagram sockets
    /// also what connect(2) says.
    pub fn connect(&mut self, endpoint: &Endpoint) -> Result<Id, Error> {
        self.connect_from(endpoint, None)
    }

    /// The same from a certain local address. Port 0 lets the kernel choose, when it knows the peer, so
    /// that each address has a whole range of ports for each peer.
    ///
    /// # Errors
    ///
    /// Those of [`connect`](Context::connect).
    pub fn connect_from(
        &mut self,
        endpoint: &Endpoint,
        local: Option<SocketAddr>,
    ) -> Result<Id, Error> {
        dial::connect(self.core, self.service, endpoint, local)
            .map_err(|error| Error::new("connect to", endpoint, error))
    }

    /// Takes a descriptor as a stream: a pipe of a child, a terminal, a file. Unless it is a file, it
    /// is made non-blocking, which everybody who holds the same open file sees, open(2).
    ///
    /// # Errors
    ///
    /// No memory for one more in the poller; a descriptor that can't be used like this.
    pub fn adopt(&mut self, descriptor: impl Into<OwnedFd>, half: Half) -> Result<Id, Error> {
        let adopt = |core: &mut Core| {
            let connection = Connection::half(adopted(descriptor.into())?, half);
            core.insert_stream(self.service, connection, None, Origin::Adopted)
        };
        adopt(self.core).map_err(|error| Error::new("adopt", "a descriptor", error))
    }

    /// Makes an adopted stream one that a stopping reactor doesn't wait for: it is closed, unasked,
    /// when all others have gone. For whatever tells the reactor to stop.
    pub fn in_background(&mut self) {
        if let Some(stream) = self.core.table.stream(self.id)
            && stream.origin == Origin::Adopted
        {
            stream.origin = Origin::Background;
            self.core.background += 1;
            self.core.statistics.open -= 1; // From here on it isn't counted as a connection.
        }
    }
}
