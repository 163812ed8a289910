//! `tarpc` as its documentation shows it, with bincode, on a runtime of one thread at each end.

use std::io;
use std::net::SocketAddr;

use futures::prelude::*;
use tarpc::client::{Config, NewClient};
use tarpc::serde_transport::tcp;
use tarpc::server::{BaseChannel, Channel};
use tarpc::tokio_serde::formats::Bincode;
use tokio::runtime::{Builder, Runtime};

use super::{Load, arguments, check};
use calculator::{Calculator, CalculatorClient};

#[allow(missing_docs, reason = "the macro writes public items without")]
mod calculator {
    #[tarpc::service]
    pub(super) trait Calculator {
        async fn add(x: i64, y: i64) -> i64;
    }
}

#[derive(Clone)]
struct Adder;

impl Calculator for Adder {
    async fn add(self, _: tarpc::context::Context, x: i64, y: i64) -> i64 {
        x + y
    }
}

/// As many as the heaviest load has unanswered.
const MAX_IN_FLIGHT: usize = 1000;

pub(super) fn serve() -> io::Result<()> {
    runtime()?.block_on(async {
        let mut listener = tcp::listen("127.0.0.1:0", Bincode::default).await?;
        println!("listening on {}", listener.local_addr());
        while let Some(transport) = listener.next().await {
            let config = tarpc::server::Config {
                pending_response_buffer: MAX_IN_FLIGHT,
            };
            let calls = BaseChannel::new(config, transport?).execute(Adder.serve());
            tokio::spawn(calls.for_each(|call| async {
                tokio::spawn(call);
            }));
        }
        Ok(())
    })
}

struct Tarpc {
    runtime: Runtime,
    client: CalculatorClient,
}

pub(super) fn connect(address: SocketAddr) -> io::Result<Box<dyn Load>> {
    let runtime = runtime()?;
    let client = runtime.block_on(async {
        let transport = tcp::connect(address, Bincode::default).await?;
        let mut config = Config::default();
        config.max_in_flight_requests = MAX_IN_FLIGHT;
        config.pending_request_buffer = MAX_IN_FLIGHT;
        let NewClient { client, dispatch } = CalculatorClient::new(config, transport);
        tokio::spawn(dispatch);
        io::Result::Ok(client)
    })?;
    Ok(Box::new(Tarpc { runtime, client }))
}

impl Load for Tarpc {
    fn run(&mut self, calls: usize, in_flight: usize) -> io::Result<()> {
        let client = &self.client;
        let results = stream::iter(0..calls)
            .map(|call| async move {
                let (x, y) = arguments(call);
                let sum = client.add(tarpc::context::current(), x, y).await;
                check(call, sum.map_err(io::Error::other)?)
            })
            .buffer_unordered(in_flight);
        self.runtime.block_on(results.try_collect::<()>())
    }
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}
