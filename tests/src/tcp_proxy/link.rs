//! One connection through the proxy.

use std::{io, net::SocketAddr};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};

use super::{Direction, Mode, Orders, Totals, close};

/// Read at a time.
const BUFFER: usize = 64 * 1024;

/// A client's connection and ours to the server.
#[derive(Clone, Debug)]
pub(super) struct Link {
    orders: watch::Sender<Orders>,
    totals: watch::Sender<Totals>,
    /// The number of cuts when it was made.
    born: u64,
}

impl Link {
    pub(super) fn new(orders: watch::Sender<Orders>, totals: watch::Sender<Totals>) -> Self {
        let born = orders.borrow().cuts;
        totals.send_modify(|totals| totals.open += 1);
        Self { orders, totals, born }
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
            } => result.map(|_| ()),
            () = self.until_cut() => Err(io::ErrorKind::ConnectionReset.into()),
        };
        if result.is_err() {
            for stream in [from_client.reunite(to_client), from_server.reunite(to_server)]
                .into_iter()
                .flatten()
            {
                close(stream);
            }
        }
        result
    }

    async fn carry(
        &self,
        direction: Direction,
        from: &mut OwnedReadHalf,
        to: &mut OwnedWriteHalf,
    ) -> io::Result<()> {
        let mut buffer = vec![0; BUFFER];
        loop {
            let read = from.read(&mut buffer).await?;
            self.until_open().await;
            if read == 0 {
                return to.shutdown().await;
            }
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
        if orders.wait_for(|orders| orders.cuts > self.born).await.is_err() {
            std::future::pending().await
        }
    }
}
