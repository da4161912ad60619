//! The tripwire: what is sent to the address of a name in another way than by a connection, QUIC above all.
//!
//! None of it gets anywhere. The kernel answers that nobody is there, at once, and this tells that it was tried.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use event::Text;
use event::fact::{Destination, Family, NetRefused, SocketType};
use tokio::io::unix::AsyncFd;

use super::register::Stray;
use super::server::{Shared, ready, until_over};
use crate::capture::Ends;

/// Packets that are read before others get their turn.
const AT_ONCE: usize = 64;

pub(super) async fn serve(shared: Rc<Shared>, socket: OwnedFd) {
    #[expect(deprecated, reason = "what it is unsound for is a type that may change its descriptor")]
    let Ok(socket) = AsyncFd::new(socket) else { return };
    watch(&shared, &socket).await;
    let socket = socket.into_inner();
    // The kernel waits for all processors when a packet socket is closed, some 10 ms; nobody else has to. Without a thread
    // it is closed here.
    let _ = std::thread::Builder::new().name("gateway-close".into()).spawn(move || drop(socket));
}

async fn watch(shared: &Shared, socket: &AsyncFd<OwnedFd>) {
    let mut state = shared.register.state();
    let mut buffer = [0; 256];
    loop {
        let readable = async {
            ready(shared).await;
            socket.readable().await
        };
        let mut guard = tokio::select! {
            biased;
            () = until_over(&mut state) => return,
            guard = readable => match guard {
                Ok(guard) => guard,
                Err(_) => return,
            },
        };
        for _ in 0..AT_ONCE {
            match rustix::io::read(socket, &mut buffer) {
                Ok(length) => see(shared, buffer.get(..length).unwrap_or_default()),
                Err(_) => {
                    guard.clear_ready();
                    break;
                }
            }
        }
        tokio::task::yield_now().await;
    }
}

fn see(shared: &Shared, packet: &[u8]) {
    let Some(Ends { source, destination, transport }) = Ends::of(packet) else { return };
    let Some(Stray { who, name }) = shared.register.sends(source, destination) else { return };
    let to = name.unwrap_or_else(|| destination.ip().to_string());
    shared.register.tell_of(who.as_deref(), refused(destination, to, transport));
}

fn refused(destination: SocketAddr, to: String, transport: u8) -> NetRefused {
    const UDP: u8 = 17;
    NetRefused {
        syscall: "send".into(),
        family: if destination.is_ipv4() { Family::Inet } else { Family::Inet6 },
        socket_type: if transport == UDP { SocketType::Dgram } else { SocketType::Raw },
        protocol: Some(transport.into()),
        destination: Some(Destination { address: Text::from(to), port: Some(destination.port()) }),
        errno: "ECONNREFUSED".into(),
    }
}
