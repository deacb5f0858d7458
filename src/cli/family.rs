//! `-4` and `-6`: which addresses of a host count.

use std::net::SocketAddr;

use echoloop::{Context, Endpoint, Error, Id, describe};

/// Which addresses of a host count.
#[derive(clap::Args, Clone, Copy, Debug)]
pub(super) struct Family {
    /// Use IPv4 only.
    #[arg(short = '4', long, conflicts_with = "ipv6")]
    ipv4: bool,
    /// Use IPv6 only.
    #[arg(short = '6', long)]
    ipv6: bool,
}

impl Family {
    /// Whether all addresses count.
    pub(super) fn is_any(self) -> bool {
        !self.ipv4 && !self.ipv6
    }

    fn allows(self, address: &SocketAddr) -> bool {
        match (self.ipv4, self.ipv6) {
            (true, _) => address.is_ipv4(),
            (_, true) => address.is_ipv6(),
            _ => true,
        }
    }

    /// Looks a host name up, which blocks: for what can do nothing before, and must not take the time of the
    /// look-up for that of the network.
    ///
    /// # Errors
    ///
    /// Why it can't, in words: those of [`Endpoint::resolve`], or none of the addresses is of the family.
    pub(super) fn look_up(self, endpoint: &Endpoint) -> Result<Known, String> {
        let endpoint = endpoint.clone();
        let (Endpoint::Tcp { .. } | Endpoint::Udp { .. }) = endpoint else {
            return Ok(Known { endpoint, addresses: Vec::new() });
        };
        let mut addresses = endpoint.resolve().map_err(|error| describe(&error))?;
        addresses.retain(|address| self.allows(address));
        if addresses.is_empty() {
            let family = if self.ipv4 { "IPv4" } else { "IPv6" };
            return Err(format!("it has no {family} address"));
        }
        Ok(Known { endpoint, addresses })
    }
}

/// An endpoint whose host has been looked up.
#[derive(Clone, Debug)]
pub(super) struct Known {
    endpoint: Endpoint,
    /// Of a Unix socket there are none.
    addresses: Vec<SocketAddr>,
}

impl Known {
    /// The endpoint, by the first of its addresses.
    pub(super) fn first(&self) -> Endpoint {
        match self.addresses.first() {
            Some(&address) if self.endpoint.is_datagram() => Endpoint::udp(address),
            Some(&address) => Endpoint::tcp(address),
            None => self.endpoint.clone(),
        }
    }

    /// From now on it has this address only.
    pub(super) fn settle_for(&mut self, address: SocketAddr) {
        self.addresses = vec![address];
    }

    /// Connects to whichever address is there first; a datagram socket to the first that there is a way to.
    ///
    /// # Errors
    ///
    /// Those of [`Context::connect`].
    pub(super) fn connect(&self, cx: &mut Context<'_>) -> Result<Id, Error> {
        if self.addresses.is_empty() {
            return cx.connect(&self.endpoint);
        }
        if !self.endpoint.is_datagram() {
            return cx.connect_any(&self.addresses, None);
        }
        let mut connected = cx.connect(&self.first());
        for &address in &self.addresses[1..] {
            connected = connected.or_else(|_| cx.connect(&Endpoint::udp(address)));
        }
        connected
    }
}
