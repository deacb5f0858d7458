//! Making services and sources: before the loop runs, and from inside it.

use std::io;
use std::mem;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use super::handle::Handle;
use super::reactor::Reactor;
use super::service::{Context, Service, Unborn};
use super::unwinding::Making;
use super::{adopt, dial, listen};
use crate::machines::Half;
use crate::values::{Address, Cause, Endpoint, Error, Id, ServiceId, ServiceKey, Statistics};

/// Setting up.
impl Reactor {
    /// Adds a service without any source yet; [`context`](Reactor::context) gives it some. It stays
    /// until its name is [given up](Context::release).
    pub fn add<S: Service>(&mut self, service: S) -> ServiceId<S> {
        self.add_with(|_| service)
    }

    /// The same for a service that knows its own name: for threads that it asks to [tell](Handle::tell) it
    /// something.
    pub fn add_with<S: Service>(&mut self, make: impl FnOnce(ServiceId<S>) -> S) -> ServiceId<S> {
        let key = self.halves.core.roster.add();
        let service = make(ServiceId::new(key));
        self.halves.errands.arrive(key, Box::new(service));
        ServiceId::new(key)
    }

    /// Listens on an endpoint, which this service serves alone. The service is dropped when its last
    /// source and its last timer have gone.
    ///
    /// # Errors
    ///
    /// Those of [`Context::listen`]; the service is dropped then.
    pub fn listen(&mut self, endpoint: &Endpoint, service: impl Service) -> Result<Id, Error> {
        self.serve(service, |cx| cx.listen(endpoint))
    }

    /// Connects to an endpoint; this service gets the connection. It is dropped when its last source and
    /// its last timer have gone.
    ///
    /// # Errors
    ///
    /// Those of [`Context::connect`]; the service is dropped then.
    pub fn connect(&mut self, endpoint: &Endpoint, service: impl Service) -> Result<Id, Error> {
        self.serve(service, |cx| cx.connect(endpoint))
    }

    /// Has host names looked up in this way from now on: by servers of one's own, in a table, with a
    /// memory. It is given the host and the port, and returns the addresses in the order to try them. Without
    /// it the system looks them up, getaddrinfo(3), which remembers nothing.
    ///
    /// It may block, for it is called on threads that are there for nothing else. They are started when
    /// [`connect`](Context::connect) is given a name, 16 of them at most, and end when nothing is left to look
    /// up; then the next names wait, up to 1,024. Nothing interrupts one: when the connection has been closed
    /// meanwhile, or [`Config::connect_timeout`](crate::Config::connect_timeout) is over, or the reactor has
    /// stopped or was dropped, nobody waits for it, and its answer is thrown away when it comes. So it should
    /// come to an end by itself. If it panics, the name could not be looked up.
    ///
    /// Addresses are not looked up, nor is what is [listened](Context::listen) on.
    ///
    /// ```
    /// use std::collections::HashMap;
    /// use std::io;
    /// use std::net::{IpAddr, SocketAddr};
    ///
    /// # let mut reactor = echoloop::Reactor::new(echoloop::Config::default())?;
    /// let hosts: HashMap<String, IpAddr> = [("db".to_owned(), [10, 0, 0, 7].into())].into();
    /// reactor.set_resolver(move |host, port| {
    ///     let address = *hosts.get(host).ok_or(io::ErrorKind::NotFound)?;
    ///     Ok(vec![SocketAddr::from((address, port))])
    /// });
    /// # Ok::<(), echoloop::Error>(())
    /// ```
    pub fn set_resolver(
        &mut self,
        resolver: impl Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static,
    ) {
        self.halves.core.names.set_resolver(resolver);
    }

    /// Adds a service for what is made here, and returns what is returned here. The service is dropped when
    /// the last of its sources and timers has gone; at once, if none was made.
    pub fn serve<R>(
        &mut self,
        service: impl Service,
        make: impl FnOnce(&mut Context<'_>) -> R,
    ) -> R {
        let made = self.context(ServiceId::<()>::new(self.nobody)).serve(service, make);
        self.halves.drop_departed();
        made
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
    ) -> Result<ServiceId<S>, Error> {
        let id = self.add(Unborn);
        match self.context(id).make(id.key(), set_up) {
            Ok(service) => {
                *self.halves.service(id.key()).expect("it was added just now") = Box::new(service);
                Ok(ServiceId::new(id.key()))
            }
            Err(error) => {
                self.halves.core.forget_service(id.key());
                self.halves.core.roster.release(id.key());
                Err(error)
            }
        }
    }

    /// What the service could do if it were called now: listen, connect, set timers, send. What is begun
    /// here goes on with the next [`turn`](Reactor::turn), which then doesn't wait. For a service that
    /// has gone, nothing can be made.
    pub fn context<S>(&mut self, service: ServiceId<S>) -> Context<'_> {
        self.halves.core.clock.read(); // The last turn may be long ago.
        self.halves.context(service.key(), Id::NONE)
    }

    /// What a listener or a datagram socket is bound to, which tells the port when 0 was asked for; our
    /// own end of a connection.
    pub fn local(&mut self, id: Id) -> Option<Address> {
        self.halves.context(self.nobody, id).local()
    }

    /// A handle for other threads.
    pub fn handle(&self) -> Handle {
        Handle::new(self.commands.shared())
    }

    /// What the reactor has done so far.
    pub fn statistics(&self) -> Statistics {
        self.halves.core.statistics()
    }
}

/// Making sources.
impl Context<'_> {
    /// Adds a service, for the sources that will name it. It stays until its name is
    /// [given up](Context::release).
    pub fn add<S: Service>(&mut self, service: S) -> ServiceId<S> {
        let key = self.core.roster.add();
        self.errands.arrive(key, Box::new(service));
        ServiceId::new(key)
    }

    /// Adds a service for what is made here, and returns what is returned here. The service is dropped when
    /// the last of its sources and timers has gone; soon, if none was made.
    ///
    /// ```
    /// # use echoloop::{Context, Endpoint, Error, Id, Service};
    /// fn connect_again(cx: &mut Context<'_>, to: &Endpoint, with: impl Service) -> Result<Id, Error> {
    ///     cx.serve(with, |cx| cx.connect(to))
    /// }
    /// ```
    pub fn serve<R>(
        &mut self,
        service: impl Service,
        make: impl FnOnce(&mut Context<'_>) -> R,
    ) -> R {
        let service = self.add(service);
        let made = self.make(service.key(), make);
        self.release(service);
        made
    }

    /// Has something made for a service. A panic meanwhile leaves nothing of it.
    pub(super) fn make<R>(
        &mut self,
        service: ServiceKey,
        make: impl FnOnce(&mut Context<'_>) -> R,
    ) -> R {
        let making = Making { core: self.core, service };
        let (core, errands) = (&mut *making.core, &mut *self.errands);
        let made = make(&mut Context { core, errands, service, id: self.id, asked: self.asked });
        mem::forget(making);
        made
    }

    /// Gives up the name of a service that was [added](Context::add): it is dropped when its last source
    /// and its last timer have gone, or soon if it has none.
    pub fn release<S>(&mut self, service: ServiceId<S>) {
        self.core.roster.release(service.key());
    }

    /// The same context for another service: what is made through it belongs to that one.
    pub fn as_service<S>(&mut self, service: ServiceId<S>) -> Context<'_> {
        let (service, id, asked) = (service.key(), self.id, self.asked);
        Context { core: self.core, errands: self.errands, service, id, asked }
    }

    /// Listens on an endpoint of any kind; this service serves it. A host name is looked up first,
    /// which blocks.
    ///
    /// # Errors
    ///
    /// The address is in use, not ours, not permitted; it is a group's, and
    /// [`Config::multicast`](crate::Config::multicast) is not switched on; no descriptor is left; the
    /// reactor is stopping.
    pub fn listen(&mut self, endpoint: &Endpoint) -> Result<Id, Error> {
        listen::listen(self.core, self.service, endpoint)
            .map_err(|error| Error::new("listen on", endpoint, error))
    }

    /// Connects to an endpoint of any kind, and never waits. [`Service::opened`] tells when the connection is
    /// there, [`Service::closed`] when it could not be made, never before this has returned. What is sent
    /// meanwhile is kept, and leaves then.
    ///
    /// A host name is looked up by [threads](Reactor::set_resolver), and its addresses are tried side by
    /// side: the two families in turn, the next one 250 ms after the last one or as soon as one has failed, 16
    /// of them at most. The first that connects wins (RFC 8305, "Happy Eyeballs"). All of this has the time
    /// of [`Config::connect_timeout`](crate::Config::connect_timeout). The [guide](crate::guide::dialling)
    /// tells more.
    ///
    /// A datagram socket is connected at once, connect(2), and no [`Service::opened`] follows. To a host
    /// name it can be sent at once too: up to 32 datagrams, and
    /// [`Config::output_limit`](crate::Config::output_limit) bytes, are kept until the name is known, and
    /// then leave for the first address that there is a way to; others are dropped, and counted. It has no
    /// [`peer`](Context::peer) before that. If nothing comes of it, [`Service::closed`] tells.
    ///
    /// # Errors
    ///
    /// The reactor is stopping; a name can't be looked up since no thread can be started, or 1,024 wait
    /// already. For datagram sockets to an address also that no descriptor is left, and what connect(2) says.
    /// That a name is unknown, or no server is there, [`Service::closed`] tells:
    /// [`Cause::ConnectFailed`](crate::Cause::ConnectFailed).
    pub fn connect(&mut self, endpoint: &Endpoint) -> Result<Id, Error> {
        self.connect_from(endpoint, None)
    }

    /// The same from a certain local address. Port 0 lets the kernel choose, when it knows the peer, so
    /// that each address has a whole range of ports for each peer. Of the addresses of a host name only those
    /// of its family are tried.
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

    /// Connects over TCP to whichever of these addresses is there first, in the same way: for those who
    /// have looked up a name themselves.
    ///
    /// # Errors
    ///
    /// There is no address, or none of the family of the local one; the reactor is stopping.
    pub fn connect_any(
        &mut self,
        addresses: &[SocketAddr],
        local: Option<SocketAddr>,
    ) -> Result<Id, Error> {
        dial::connect_any(self.core, self.service, addresses, local).map_err(|error| {
            let addresses: Vec<_> = addresses.iter().map(SocketAddr::to_string).collect();
            Error::new("connect to", addresses.join(", "), error)
        })
    }

    /// Takes a descriptor as a stream: a connected socket, a pipe of a child, a terminal, a file. A
    /// socket is served like one of our own, half-close and polite closing included. Unless it is a
    /// file, it is made non-blocking, which all holders of the same open file see, open(2).
    ///
    /// It is there already, so no [`Service::opened`] follows; [`Service::closed`] will tell of its end. It
    /// has no idle timeout until it is [given one](Context::set_idle_timeout). While the reactor is
    /// stopping it is told so like all others.
    ///
    /// # Errors
    ///
    /// A socket that listens, or one for datagrams, which [`listen_on`](Context::listen_on) serves; no
    /// memory for one more in the poller; the reactor has stopped.
    pub fn adopt(&mut self, descriptor: impl Into<OwnedFd>, half: Half) -> Result<Id, Error> {
        adopt::adopt(self.core, self.service, descriptor.into(), half)
            .map_err(|error| Error::new("adopt", "a descriptor", error))
    }

    /// Gives the connection away: takes it out of this reactor and returns its descriptor, open and
    /// non-blocking, for another reactor to [adopt](Context::adopt), another thread, another process. What a
    /// service has sent has been handed to the kernel by then, and what has not been read is still there to
    /// be read; so it goes on elsewhere where this service has stopped.
    ///
    /// In [`received`](Service::received) and [`ended`](Service::ended) of the connection itself, what is
    /// being shown is the service's: it is passed on with the descriptor, or it is lost, and the count that is
    /// returned means nothing. An end that was read is read again elsewhere. A pause, an idle timeout, a
    /// place in the background don't go with it; its place under [`Config::connections`](crate::Config) and in
    /// its source's count is free.
    ///
    /// [`Service::closed`] follows, with [`Cause::Detached`](crate::Cause::Detached), when this callback has
    /// returned: here it has gone like any other.
    ///
    /// ```
    /// # use std::net::TcpStream;
    /// # use std::sync::mpsc::Sender;
    /// # use echoloop::{Context, Service};
    /// /// Accepts for a thread that would rather block.
    /// struct Doorman {
    ///     inside: Sender<TcpStream>,
    /// }
    ///
    /// impl Service for Doorman {
    ///     fn opened(&mut self, cx: &mut Context<'_>) {
    ///         let Ok(socket) = cx.detach() else { return cx.abort() };
    ///         let _ = self.inside.send(TcpStream::from(socket)); // Closed, if that thread has gone.
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Nothing has changed, and `kind()` tells why:
    /// [`ResourceBusy`](std::io::ErrorKind::ResourceBusy) while bytes are kept, in either direction, or it is
    /// closing; [`InvalidInput`](std::io::ErrorKind::InvalidInput) if it is still being made, is in memory, or is no
    /// connection; [`NotFound`](std::io::ErrorKind::NotFound) if it has gone.
    pub fn detach(&mut self) -> Result<OwnedFd, Error> {
        let id = self.id;
        let (service, descriptor) =
            adopt::detach(self.core, id).map_err(|error| Error::new("give away", id, error))?;
        let tell = move |service: &mut dyn Service, cx: &mut Context<'_>| {
            service.closed(&mut cx.source(id), &Cause::Detached);
        };
        self.errands.tell(service, Box::new(tell));
        Ok(descriptor)
    }

    /// Serves a socket that the host already has: one that listens, or a datagram socket, bound or
    /// connected. It may have been passed by a service manager, or be shared with another process; so
    /// a stop takes in what has arrived and doesn't touch it otherwise, and the file of a Unix socket
    /// stays where it is. It is made non-blocking, which all that share it see, open(2).
    ///
    /// # Errors
    ///
    /// A descriptor that is no such socket; a datagram socket that is bound to a group or may send to
    /// broadcast addresses, unless [`Config::multicast`](crate::Config::multicast) is switched on; no
    /// descriptor is left, which a bound UDP socket takes for a moment to find that out; no memory for one
    /// more in the poller; the reactor is stopping.
    pub fn listen_on(&mut self, socket: impl Into<OwnedFd>) -> Result<Id, Error> {
        adopt::listen_on(self.core, self.service, socket.into())
            .map_err(|error| Error::new("listen on", "a descriptor", error))
    }

    /// Puts the source into the background, where a stopping reactor doesn't wait for it: it goes on
    /// until all others have gone, and is closed then, unasked. For whatever tells the reactor to stop,
    /// or watches it. What is there isn't counted as a connection, and has no idle timeout but [its
    /// own](Context::set_idle_timeout); what a listener there accepts is in the background too. What is
    /// put there during a stop isn't told of it any more.
    pub fn unref(&mut self) {
        self.core.put_in_background(self.id);
    }
}
