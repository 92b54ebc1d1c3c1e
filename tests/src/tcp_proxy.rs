//! A TCP proxy that behaves as a bad network does: it cuts connections, at once or after so many bytes, stalls them, leaves
//! one side in the belief that it lives, forgets silent ones as a firewall does, refuses new ones, and can be a slow line.
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! use dataguardian_tests::tcp_proxy::{Direction, TcpProxy};
//!
//! let proxy = TcpProxy::start("127.0.0.1:5432".parse()?).await?;
//! proxy.cut_after(Direction::FromServer, 1_000_000);
//! // ... a client that connects to proxy.address() loses its connection in the middle of the answer ...
//! # Ok(())
//! # }
//! ```
//!
//! The kernel here has no `netem`, so delay and loss can't be had from it.

mod link;
mod pace;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::watch,
    task::JoinSet,
};

use link::Link;
use pace::Pace;

/// What the end of a slow line takes before it is handed on, in bytes.
const NARROW: u32 = 64 << 10;

/// Whose bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Direction {
    /// What the client sends.
    FromClient,
    /// What the server sends.
    FromServer,
}

/// One end of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Side {
    /// Who connected.
    Client,
    /// Who was connected to.
    Server,
}

/// What the proxy does with bytes and connections.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Mode {
    /// Everything passes.
    #[default]
    Open,
    /// Connections stay open, and nothing passes; new ones are taken and hear nothing.
    Stalled,
    /// New connections are closed at once.
    Refusing,
}

/// What the links look at, and the proxy changes.
#[derive(Clone, Copy, Debug, Default)]
struct Orders {
    mode: Mode,
    /// Grows by one with each cut: a link that was made under a smaller number ends.
    cuts: u64,
    /// How many more bytes may pass, over all links, until all are cut.
    allowance: Option<(Direction, u64)>,
    /// Grows by one with each halving, and who is left in the belief that the connection lives.
    halvings: u64,
    left: Option<Side>,
    /// A link that nothing has passed for this long is forgotten.
    idle_limit: Option<Duration>,
}

/// A proxy before one server. Connections through it end with it.
#[derive(Debug)]
pub struct TcpProxy {
    address: SocketAddr,
    orders: watch::Sender<Orders>,
    totals: watch::Sender<Totals>,
    // Dropping it ends the task, and with it every connection.
    _listening: JoinSet<()>,
}

/// What has gone through the proxy so far.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Totals {
    /// Connections taken, the refused ones too.
    pub connections: u64,
    /// Connections that are open now.
    pub open: u64,
    /// Connections that were forgotten because nothing passed them.
    pub forgotten: u64,
    /// Bytes from clients.
    pub from_client: u64,
    /// Bytes from the server.
    pub from_server: u64,
}

impl TcpProxy {
    /// Listens on a free port of 127.0.0.1 and hands on to `server`, which need not run yet.
    ///
    /// # Errors
    /// If no port can be had.
    pub async fn start(server: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .context("listening for a proxy")?;
        Self::over(listener, server, None)
    }

    /// As [`Self::start`], for a line over which clients send no more than so many bytes a second, all of them together. Its own
    /// end takes little before it is handed on, as the first router of a slow line does.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn start_slow(server: SocketAddr, bytes_per_second: u32) -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        // Before it listens, so that no connection is offered a larger window.
        socket.set_recv_buffer_size(NARROW)?;
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let listener = socket.listen(64).context("listening for a proxy")?;
        Self::over(listener, server, Some(Pace::of(bytes_per_second)))
    }

    fn over(listener: TcpListener, server: SocketAddr, pace: Option<Pace>) -> Result<Self> {
        let address = listener.local_addr()?;
        let (orders, _) = watch::channel(Orders::default());
        let (totals, _) = watch::channel(Totals::default());
        let mut listening = JoinSet::new();
        let link = Link::new(orders.clone(), totals.clone(), pace);
        listening.spawn(listen(listener, server, link));
        Ok(Self {
            address,
            orders,
            totals,
            _listening: listening,
        })
    }

    /// Where clients connect to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Resets all connections that are open now (the client sees ECONNRESET). New ones are taken.
    pub fn cut(&self) {
        self.orders.send_modify(|orders| orders.cuts += 1);
    }

    /// Lets so many more bytes of a direction pass, then resets all connections that are open. Once; those that come after
    /// pass. The count starts now.
    pub fn cut_after(&self, direction: Direction, bytes: u64) {
        self.orders
            .send_modify(|orders| orders.allowance = Some((direction, bytes)));
    }

    /// Nothing passes any more, in either direction, and nobody is told: as when a cable is pulled.
    pub fn stall(&self) {
        self.set(Mode::Stalled);
    }

    /// Half-opens all connections that are open now: one side is reset, the other hears nothing any more and is not told.
    /// New connections pass.
    pub fn half_open(&self, left: Side) {
        self.orders.send_modify(|orders| {
            orders.halvings += 1;
            orders.left = Some(left);
        });
    }

    /// Forgets a connection that nothing has passed for so long, as a firewall does: whatever is sent on it later is lost,
    /// and neither side is told. For connections from now on.
    pub fn forget_idle(&self, limit: Duration) {
        self.orders.send_modify(|orders| orders.idle_limit = Some(limit));
    }

    /// New connections are closed at once; those that are open go on.
    pub fn refuse(&self) {
        self.set(Mode::Refusing);
    }

    /// Ends [`Self::stall`] and [`Self::refuse`]: what was held back passes now.
    pub fn resume(&self) {
        self.set(Mode::Open);
    }

    /// What has gone through so far.
    #[must_use]
    pub fn totals(&self) -> Totals {
        *self.totals.borrow()
    }

    /// Waits until what has gone through satisfies a condition.
    ///
    /// # Errors
    /// If it does not within [`crate::wait::PATIENCE`].
    pub async fn wait_until(&self, condition: impl FnMut(&Totals) -> bool) -> Result<Totals> {
        let mut totals = self.totals.subscribe();
        let reached = tokio::time::timeout(crate::wait::PATIENCE, totals.wait_for(condition)).await;
        Ok(*reached.with_context(|| format!("waited in vain on a proxy: {:?}", self.totals()))??)
    }

    fn set(&self, mode: Mode) {
        self.orders.send_modify(|orders| orders.mode = mode);
    }
}

async fn listen(listener: TcpListener, server: SocketAddr, all: Link) {
    let mut links = JoinSet::new();
    loop {
        let client = match listener.accept().await {
            Ok((client, _)) => client,
            Err(error) => {
                tracing::warn!(%error, "a proxy could not take a connection");
                continue;
            }
        };
        if !all.admits() {
            close(client);
            continue;
        }
        links.spawn(all.born_now().run(client, server));
        while links.try_join_next().is_some() {}
    }
}

/// Resets a connection rather than ending it in order, which a client could take for the end of an answer.
fn close(stream: TcpStream) {
    if let Err(error) = stream.set_zero_linger() {
        tracing::debug!(%error, "a proxy's connection was gone already");
    }
}
