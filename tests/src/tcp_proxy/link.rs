//! One connection through the proxy.

use std::{io, net::SocketAddr, time::Instant};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};

use super::pace::Pace;
use super::{Direction, Mode, Orders, Side, Totals, close};

/// Read at a time.
const BUFFER: usize = 64 * 1024;

/// A client's connection and ours to the server.
#[derive(Clone, Debug)]
pub(super) struct Link {
    orders: watch::Sender<Orders>,
    totals: watch::Sender<Totals>,
    /// The number of cuts and of halvings when it was made.
    born: (u64, u64),
    /// When something passed last.
    busy: watch::Sender<Instant>,
    /// How fast what clients send may pass.
    pace: Option<Pace>,
}

/// Why a link carries nothing any more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum End {
    Cut,
    Halved(Side),
    Forgotten,
}

impl Link {
    /// What all links of a proxy have in common.
    pub(super) fn new(
        orders: watch::Sender<Orders>,
        totals: watch::Sender<Totals>,
        pace: Option<Pace>,
    ) -> Self {
        Self {
            orders,
            totals,
            born: (0, 0),
            busy: watch::channel(Instant::now()).0,
            pace,
        }
    }

    /// Counts a connection. Whether it is to be carried.
    pub(super) fn admits(&self) -> bool {
        self.totals.send_modify(|totals| totals.connections += 1);
        self.orders.borrow().mode != Mode::Refusing
    }

    /// A link of its own for a connection that was taken now.
    pub(super) fn born_now(&self) -> Self {
        let born = {
            let orders = self.orders.borrow();
            (orders.cuts, orders.halvings)
        };
        self.totals.send_modify(|totals| totals.open += 1);
        Self {
            born,
            busy: watch::channel(Instant::now()).0,
            ..self.clone()
        }
    }

    /// Hands bytes on until both sides are done, one fails, or the link is cut.
    pub(super) async fn run(self, client: TcpStream, server: SocketAddr) {
        let result = self.connect_and_carry(client, server).await;
        if let Err(error) = result {
            tracing::debug!(%error, "a connection through a proxy ended");
        }
        self.totals.send_modify(|totals| totals.open -= 1);
    }

    async fn connect_and_carry(&self, client: TcpStream, server: SocketAddr) -> io::Result<()> {
        self.until_open().await;
        let server = match TcpStream::connect(server).await {
            Ok(server) => server,
            Err(error) => {
                close(client);
                return Err(error);
            }
        };
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_server, mut to_server) = server.into_split();
        let result = tokio::select! {
            result = async {
                tokio::try_join!(
                    self.carry(Direction::FromClient, &mut from_client, &mut to_server),
                    self.carry(Direction::FromServer, &mut from_server, &mut to_client),
                )
            } => result.map(|_| None),
            end = self.until_end() => Ok(Some(end)),
        };
        if matches!(result, Ok(None)) {
            return Ok(());
        }
        let reunited = (from_client.reunite(to_client), from_server.reunite(to_server));
        let (Ok(client), Ok(server)) = reunited else {
            return Err(io::ErrorKind::ConnectionReset.into());
        };
        match result? {
            None | Some(End::Cut) => [client, server].into_iter().for_each(close),
            Some(End::Halved(Side::Client)) => {
                close(server);
                self.believe(client).await;
            }
            Some(End::Halved(Side::Server)) => {
                close(client);
                self.believe(server).await;
            }
            Some(End::Forgotten) => {
                self.totals.send_modify(|totals| totals.forgotten += 1);
                tokio::join!(self.believe(client), self.believe(server));
            }
        }
        Err(io::ErrorKind::ConnectionReset.into())
    }

    /// Holds a connection that nobody listens on, until it is cut.
    async fn believe(&self, stream: TcpStream) {
        self.until_cut().await;
        close(stream);
    }

    async fn carry(
        &self,
        direction: Direction,
        from: &mut OwnedReadHalf,
        to: &mut OwnedWriteHalf,
    ) -> io::Result<()> {
        let pace = self.pace.as_ref().filter(|_| direction == Direction::FromClient);
        let mut buffer = vec![0; pace.map_or(BUFFER, Pace::piece)];
        loop {
            let read = from.read(&mut buffer).await?;
            if let Some(pace) = pace {
                pace.carry(read).await;
            }
            self.until_open().await;
            if read == 0 {
                return to.shutdown().await;
            }
            self.busy.send_replace(Instant::now());
            let allowed = self.spend(direction, read);
            to.write_all(buffer.get(..allowed).unwrap_or_default()).await?;
            self.totals.send_modify(|totals| {
                let count = match direction {
                    Direction::FromClient => &mut totals.from_client,
                    Direction::FromServer => &mut totals.from_server,
                };
                *count += u64::try_from(allowed).unwrap_or(u64::MAX);
            });
            if allowed < read {
                self.orders.send_modify(|orders| orders.cuts += 1);
                return Err(io::ErrorKind::ConnectionReset.into());
            }
        }
    }

    /// Takes bytes off what may still pass, and gives how many of them may. An allowance ends with its last byte.
    fn spend(&self, direction: Direction, bytes: usize) -> usize {
        let mut allowed = bytes;
        self.orders.send_if_modified(|orders| {
            if let Some((of, rest)) = &mut orders.allowance
                && *of == direction
            {
                allowed = usize::try_from(*rest).unwrap_or(usize::MAX).min(bytes);
                *rest -= u64::try_from(allowed).unwrap_or(*rest);
                if allowed < bytes {
                    orders.allowance = None;
                }
            }
            false
        });
        allowed
    }

    async fn until_open(&self) {
        let mut orders = self.orders.subscribe();
        // It ends only with the proxy, and then this task does too.
        if orders
            .wait_for(|orders| orders.mode != Mode::Stalled)
            .await
            .is_err()
        {
            std::future::pending().await
        }
    }

    async fn until_cut(&self) {
        let mut orders = self.orders.subscribe();
        if orders.wait_for(|orders| orders.cuts > self.born.0).await.is_err() {
            std::future::pending().await
        }
    }

    async fn until_end(&self) -> End {
        tokio::select! {
            () = self.until_cut() => End::Cut,
            side = self.until_halved() => End::Halved(side),
            () = self.until_forgotten() => End::Forgotten,
        }
    }

    async fn until_halved(&self) -> Side {
        let mut orders = self.orders.subscribe();
        let left = orders
            .wait_for(|orders| orders.halvings > self.born.1)
            .await
            .map(|orders| orders.left);
        match left {
            Ok(left) => left.unwrap_or(Side::Client),
            Err(_) => std::future::pending().await,
        }
    }

    async fn until_forgotten(&self) {
        let limit = self.orders.borrow().idle_limit;
        let Some(limit) = limit else {
            return std::future::pending().await;
        };
        loop {
            let idle = self.busy.borrow().elapsed();
            let Some(rest) = limit.checked_sub(idle).filter(|rest| !rest.is_zero()) else {
                return;
            };
            tokio::time::sleep(rest).await;
        }
    }
}
