//! The client in a tokio runtime.

mod rpc_ends;

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use mp_connection::rpc::tokio::Client;
use mp_connection::rpc::{Error, Options};
use mp_connection::tokio::Connection;
use rpc_core::Arguments;
use rpc_ends::{DRIVERS, Driver, Server, auth, registry};

async fn client(server: &Server) -> Client {
    let connected = Client::connect(&server.address.into(), &auth()).await;
    connected.expect("it lets us in")
}

#[tokio::test]
async fn functions_are_called_under_every_driver() {
    for driver in DRIVERS {
        let server = Server::new(driver, registry(), &Options::default());
        let mut client = client(&server).await;
        for function in ["add", "slow_add", "async_add", "with_context"] {
            let arguments = Arguments::new().positional(&2).keyword("y", &3);
            let sum: i64 = client.call(function, arguments).await.expect("a sum");
            assert_eq!(sum, 5);
        }
        let Err(Error::Raised(exception)) = client.call::<()>("nosuch", ()).await else {
            panic!("nothing has that name");
        };
        assert_eq!(exception.to_string(), "KeyError: 'nosuch'");
        let wrong = client.call::<String>("add", (2, 3)).await;
        assert!(matches!(wrong, Err(Error::Decode(_))), "{wrong:?}");
        assert!(client.is_usable());
    }
}

#[tokio::test]
async fn an_answer_that_is_late_breaks_the_client() {
    let server = Server::new(Driver::Tokio, registry(), &Options::default());
    let mut client = client(&server).await;
    let short = Duration::from_millis(50);
    client.set_timeout(Some(short));
    let late = client.call::<()>("never", ()).await;
    assert!(matches!(late, Err(Error::Timeout { after, .. }) if after == short));
    let refused = client.call::<i64>("add", (2, 3)).await;
    assert!(matches!(refused, Err(Error::Broken)));
}

#[tokio::test]
async fn a_call_that_is_dropped_breaks_the_client() {
    let server = Server::new(Driver::Tokio, registry(), &Options::default());
    let mut client = client(&server).await;
    {
        let mut call = pin!(client.call::<()>("never", ()));
        poll_fn(|cx| {
            assert!(call.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
    }
    assert!(!client.is_usable());
    let refused = client.call::<i64>("add", (2, 3)).await;
    assert!(matches!(refused, Err(Error::Broken)));
}

#[tokio::test]
async fn who_does_not_log_in_is_told() {
    let server = Server::new(Driver::Threads, registry(), &Options::default());
    let connection = Connection::connect_unauthenticated(&server.address.into()).await;
    let mut client = Client::new(connection.expect("it is there"));
    let refused = client.call::<i64>("add", (2, 3)).await;
    assert!(matches!(refused, Err(Error::LoginWanted)), "{refused:?}");
    assert!(!client.is_usable());
}
