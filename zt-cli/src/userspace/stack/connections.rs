//! Connections of a stack: made, taken, used and forgotten.

use super::*;

impl Connection {
    /// This end.
    #[must_use]
    pub fn local(&self) -> SocketAddr {
        self.ends.local
    }

    /// The other end.
    #[must_use]
    pub fn remote(&self) -> SocketAddr {
        self.ends.remote
    }
}

impl Stack {
    /// Begins a connection.
    ///
    /// # Errors
    /// There is no address to come from, no place, or the destination is none.
    pub fn connect(&mut self, now: i64, remote: SocketAddr) -> Result<Connection, StackError> {
        self.now = now;
        if remote.port() == 0 || remote.ip().is_unspecified() || remote.ip().is_multicast() {
            return Err(StackError::Invalid);
        }
        let local = self.source_for(remote.ip())?;
        if self.flows.len() >= MOST_CONNECTIONS {
            return Err(StackError::Full);
        }
        let port = self.free_port(|port| Ends { local: SocketAddr::new(local, port), remote })?;
        let ends = Ends { local: SocketAddr::new(local, port), remote };
        let mut socket = self.socket();
        let to = IpEndpoint::new(remote.ip().into(), remote.port());
        let from = IpListenEndpoint { addr: Some(local.into()), port };
        socket.connect(self.interface.context(), to, from).map_err(|_| StackError::Invalid)?;
        let handle = self.sockets.add(socket);
        self.flows.insert(ends, Flow::new(most_payload(self.mtu, local)));
        Ok(Connection { handle, ends })
    }

    fn source_for(&self, to: IpAddr) -> Result<IpAddr, StackError> {
        let source = self.interface.get_source_address(&to.into()).map(IpAddr::from).ok_or(StackError::NoAddress)?;
        if source.is_loopback() || source.is_unspecified() { Err(StackError::NoAddress) } else { Ok(source) }
    }

    fn free_port(&mut self, ends: impl Fn(u16) -> Ends) -> Result<u16, StackError> {
        for _ in OWN_PORTS {
            let port = self.next_port;
            self.next_port = if port == *OWN_PORTS.end() { *OWN_PORTS.start() } else { port + 1 };
            if !self.flows.contains_key(&ends(port)) && !self.listeners.contains_key(&port) {
                return Ok(port);
            }
        }
        Err(StackError::Full)
    }

    fn socket(&self) -> tcp::Socket<'static> {
        let length = if self.flows.len() < MANY { BUFFER } else { SMALL_BUFFER };
        let buffer = || tcp::SocketBuffer::new(vec![0; length]);
        let mut socket = tcp::Socket::new(buffer(), buffer());
        // Segments are as long as what there is to send: nothing is gained by waiting for more.
        socket.set_nagle_enabled(false);
        // One acknowledgement for all frames that came together.
        socket.set_ack_delay(None);
        socket.set_timeout(Some(HANDSHAKE));
        socket
    }

    /// Takes connections to a port from now on.
    ///
    /// # Errors
    /// The port has somebody already.
    pub fn listen(&mut self, port: u16) -> Result<(), StackError> {
        if port == 0 {
            return Err(StackError::Invalid);
        }
        match self.listeners.contains_key(&port) {
            true => Err(StackError::InUse),
            false => {
                self.listeners.insert(port, VecDeque::new());
                Ok(())
            }
        }
    }

    /// Takes no more; those that nobody took are reset.
    pub fn stop_listening(&mut self, port: u16) {
        let half: Vec<Connection> =
            self.half_open.extract_if(.., |(of, _)| *of == port).map(|(_, connection)| connection).collect();
        for connection in self.listeners.remove(&port).into_iter().flatten().chain(half) {
            self.abort(connection);
        }
    }

    /// The next connection to a port that is through its handshake.
    pub fn accept(&mut self, port: u16) -> Option<Connection> {
        self.listeners.get_mut(&port)?.pop_front()
    }

    /// A connection begins from outside: makes a socket for it if somebody listens. False when there is no place.
    pub(super) fn admit(&mut self, ends: Ends) -> bool {
        if !self.listeners.contains_key(&ends.local.port())
            || self.flows.contains_key(&ends)
            || !self.own.contains(&ends.local.ip())
        {
            return true;
        }
        if self.half_open.len() >= MOST_HALF_OPEN || self.flows.len() >= MOST_CONNECTIONS {
            return false;
        }
        let mut socket = self.socket();
        let at = IpListenEndpoint { addr: Some(ends.local.ip().into()), port: ends.local.port() };
        if socket.listen(at).is_err() {
            return true;
        }
        let connection = Connection { handle: self.sockets.add(socket), ends };
        self.flows.insert(ends, Flow::new(most_payload(self.mtu, ends.local.ip())));
        self.half_open.push((ends.local.port(), connection));
        true
    }

    /// Whether some listener has connections to take.
    #[must_use]
    pub fn has_any_waiting(&self) -> bool {
        self.listeners.values().any(|waiting| !waiting.is_empty())
    }

    /// Whether the other end of a connection ever said something.
    #[must_use]
    pub fn was_answered(&self, connection: Connection) -> bool {
        self.flows.get(&connection.ends).is_some_and(Flow::was_answered)
    }

    /// The network is left: all connections end.
    pub fn close(&mut self) {
        for (_, socket) in self.sockets.iter_mut() {
            match socket {
                smoltcp::socket::Socket::Tcp(socket) => socket.abort(),
                smoltcp::socket::Socket::Udp(_) | smoltcp::socket::Socket::Icmp(_) => {}
            }
        }
        let over: Vec<Connection> =
            std::mem::take(&mut self.lingering).into_iter().map(|(connection, _)| connection).collect();
        for connection in over {
            self.sockets.remove(connection.handle);
            self.flows.remove(&connection.ends);
        }
    }

    /// The socket of a connection.
    pub fn tcp(&mut self, connection: Connection) -> &mut tcp::Socket<'static> {
        self.sockets.get_mut(connection.handle)
    }

    /// A connection is through its handshake: from now on it may be silent.
    pub fn keep_open(&mut self, connection: Connection) {
        let socket = self.tcp(connection);
        socket.set_timeout(Some(GIVEN_UP));
        socket.set_keep_alive(Some(KEEP_ALIVE));
    }

    /// Nobody uses the connection any more. What was written still leaves.
    pub fn release(&mut self, connection: Connection) {
        self.tcp(connection).close();
        self.lingering.push((connection, self.now + LINGERING));
    }

    /// Resets a connection.
    pub fn abort(&mut self, connection: Connection) {
        self.tcp(connection).abort();
        self.lingering.push((connection, self.now));
    }

    /// Forgets what is over, and hands on what is through its handshake.
    pub(super) fn sweep(&mut self, now: i64) {
        self.sweep_half_open();
        let mut at = 0;
        while at < self.lingering.len() {
            let (connection, until) = self.lingering[at];
            let state = self.tcp(connection).state();
            let crowded = self.lingering.len() > MOST_LINGERING && state == tcp::State::TimeWait;
            if state == tcp::State::Closed || crowded {
                self.lingering.swap_remove(at);
                self.sockets.remove(connection.handle);
                self.flows.remove(&connection.ends);
                continue;
            }
            if until <= now {
                self.tcp(connection).abort();
                self.lingering[at].1 = now + LINGERING;
            }
            at += 1;
        }
    }

    fn sweep_half_open(&mut self) {
        let mut at = 0;
        while at < self.half_open.len() {
            let (port, connection) = self.half_open[at];
            let waiting = self.tcp(connection).state();
            if matches!(waiting, tcp::State::SynReceived) {
                at += 1;
                continue;
            }
            self.half_open.swap_remove(at);
            let is_open = matches!(waiting, tcp::State::Established | tcp::State::CloseWait);
            match self.listeners.get_mut(&port) {
                Some(waiting) if is_open => {
                    waiting.push_back(connection);
                    self.keep_open(connection);
                }
                _ => self.abort(connection),
            }
        }
    }

    /// Opens a place for datagrams: at a port, or at any.
    ///
    /// # Errors
    /// The port is in use, or all places are.
    pub fn bind_datagrams(&mut self, port: Option<u16>) -> Result<SocketHandle, StackError> {
        if self.datagram_flows >= MOST_DATAGRAM_FLOWS {
            return Err(StackError::Full);
        }
        let taken: BTreeSet<u16> = self.datagram_ports().collect();
        let port = match port {
            Some(port) if taken.contains(&port) => return Err(StackError::InUse),
            Some(port) => port,
            None => self.free_datagram_port(&taken)?,
        };
        let buffer = || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; DATAGRAMS], vec![0; DATAGRAM_BYTES]);
        let mut socket = udp::Socket::new(buffer(), buffer());
        socket.bind(port).map_err(|_| StackError::Invalid)?;
        self.datagram_flows += 1;
        Ok(self.sockets.add(socket))
    }

    fn datagram_ports(&self) -> impl Iterator<Item = u16> + '_ {
        self.sockets.iter().filter_map(|(_, socket)| match socket {
            smoltcp::socket::Socket::Udp(socket) => Some(socket.endpoint().port),
            _ => None,
        })
    }

    fn free_datagram_port(&mut self, taken: &BTreeSet<u16>) -> Result<u16, StackError> {
        for _ in OWN_PORTS {
            let port = self.next_port;
            self.next_port = if port == *OWN_PORTS.end() { *OWN_PORTS.start() } else { port + 1 };
            if !taken.contains(&port) {
                return Ok(port);
            }
        }
        Err(StackError::Full)
    }

    /// The socket of a place for datagrams.
    pub fn udp(&mut self, handle: SocketHandle) -> &mut udp::Socket<'static> {
        self.sockets.get_mut(handle)
    }

    /// Closes a place for datagrams.
    pub fn close_datagrams(&mut self, handle: SocketHandle) {
        self.sockets.remove(handle);
        self.datagram_flows -= 1;
    }

    /// Opens a place from where echoes are asked for, told apart by `ident`.
    pub fn open_echo(&mut self, ident: u16) -> SocketHandle {
        let buffer = || icmp::PacketBuffer::new(vec![icmp::PacketMetadata::EMPTY; 8], vec![0; 4096]);
        let mut socket = icmp::Socket::new(buffer(), buffer());
        socket.bind(icmp::Endpoint::Ident(ident)).expect("bound for the first time");
        self.sockets.add(socket)
    }

    /// The socket of such a place.
    pub fn echo(&mut self, handle: SocketHandle) -> &mut icmp::Socket<'static> {
        self.sockets.get_mut(handle)
    }

    /// Closes it.
    pub fn close_echo(&mut self, handle: SocketHandle) {
        self.sockets.remove(handle);
    }
}
