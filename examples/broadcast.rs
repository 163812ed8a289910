//! Sends a text to everybody on a network, and prints what is sent so, over UDP:
//!
//! ```sh
//! cargo run --example broadcast receiver
//! cargo run --example broadcast sender                            # to everybody on this network
//! cargo run --example broadcast sender --to 127.255.255.255:1060 # to everybody on this machine
//! ```
//!
//! or only to those who joined a group:
//!
//! ```sh
//! cargo run --example broadcast receiver --multicast 239.1.2.3
//! cargo run --example broadcast sender --to 239.1.2.3:1060
//! ```
//!
//! The receiver answers nothing, so no forged address turns it against anybody.

use std::cell::Cell;
use std::error::Error;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use clap::{Parser, Subcommand};
use event_loop::{Context, Datagrams, EventLoop};
use examples::{AccessOptions, Logging};

/// Sends and receives UDP broadcasts
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    role: Role,
    #[command(flatten)]
    logging: Logging,
}

#[derive(Subcommand)]
enum Role {
    /// Print what comes, and from whom
    Receiver {
        /// Where to listen: only the address 0.0.0.0 gets broadcasts of every network (port 0: any free one)
        #[arg(long, value_name = "ADDR", default_value = "0.0.0.0:1060")]
        listen: SocketAddr,
        /// A group to join, 224.0.0.0 to 239.255.255.255; may be given several times
        #[arg(long, value_name = "GROUP", value_parser = group)]
        multicast: Vec<Ipv4Addr>,
        /// Join groups on the network of this local address [default: where the routes lead]
        #[arg(
            long,
            value_name = "ADDR",
            default_value = "0.0.0.0",
            hide_default_value = true
        )]
        interface: Ipv4Addr,
        #[command(flatten)]
        access: AccessOptions,
    },
    /// Send one datagram
    Sender {
        /// Whom to send it to: the broadcast address of a network, or a group
        #[arg(long, value_name = "ADDR", default_value = "255.255.255.255:1060")]
        to: SocketAddrV4,
        /// Send on the network of this local address [default: where the routes lead]
        #[arg(
            long,
            value_name = "ADDR",
            default_value = "0.0.0.0",
            hide_default_value = true
        )]
        interface: Ipv4Addr,
        /// What to send
        #[arg(default_value = "Broadcast datagram!", value_parser = ascii)]
        text: String,
    },
}

fn main() -> ExitCode {
    let args = Args::parse();
    args.logging.start();
    examples::exit_code(match args.role {
        Role::Receiver {
            listen,
            multicast,
            interface,
            access,
        } => receive(listen, &multicast, interface, &access),
        Role::Sender {
            to,
            interface,
            text,
        } => send(to, interface, &text),
    })
}

fn receive(
    listen: SocketAddr,
    groups: &[Ipv4Addr],
    interface: Ipv4Addr,
    access: &AccessOptions,
) -> Result<(), Box<dyn Error>> {
    let access = access.load()?;
    let mut event_loop = EventLoop::<()>::new()?;
    examples::stop_on_signals(&mut event_loop)?;
    let (socket, address) = examples::bind_udp(listen)?;
    for group in groups {
        socket
            .join_multicast_v4(group, &interface)
            .map_err(|error| format!("cannot join {group} on {interface}: {error}"))?;
    }
    let count = Rc::new(Cell::new(0_u64));
    let counter = Rc::clone(&count);
    let print = move |payload: &[u8], from: SocketAddr, _: &mut Datagrams, cx: &mut Context<'_>| {
        if !access.answers(from.ip()) {
            return;
        }
        counter.set(counter.get() + 1);
        // Escaped, for it may come from anybody and go to a terminal.
        let text = payload.escape_ascii();
        if let Err(error) = writeln!(io::stdout(), "{from} says \"{text}\"") {
            tracing::error!("cannot write to standard output: {error}");
            cx.stop(Duration::ZERO);
        }
    };
    event_loop.add_datagrams(socket, print)?;
    examples::announce(format_args!("udp://{address}"))?;
    event_loop.run()?;
    tracing::info!("{} datagrams received", count.get());
    Ok(())
}

fn send(to: SocketAddrV4, interface: Ipv4Addr, text: &str) -> Result<(), Box<dyn Error>> {
    // The system takes the network that the sender's address is in.
    let socket = UdpSocket::bind((interface, 0))
        .map_err(|error| format!("cannot send from {interface}: {error}"))?;
    socket.set_broadcast(true)?;
    let sent = socket
        .send_to(text.as_bytes(), to)
        .map_err(|error| format!("cannot send {} bytes to {to}: {error}", text.len()))?;
    tracing::info!("{sent} bytes sent to {to}");
    Ok(())
}

fn group(text: &str) -> Result<Ipv4Addr, String> {
    let address: Ipv4Addr = text.parse().map_err(|_| "no IPv4 address".to_owned())?;
    if address.is_multicast() {
        Ok(address)
    } else {
        Err("no group: these are 224.0.0.0 to 239.255.255.255".to_owned())
    }
}

fn ascii(text: &str) -> Result<String, String> {
    match text.bytes().position(|byte| !byte.is_ascii()) {
        None => Ok(text.to_owned()),
        Some(at) => Err(format!("byte {at} is not ASCII, and receivers expect that")),
    }
}
