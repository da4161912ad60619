//! Names: what an agent asks for, and where that is.
//!
//! Two halves that never meet. Inside, [`Resolver`] answers the agent by itself: a name that the policy could allow gets
//! a synthetic address from [`Pool`], pinned to that name for the whole run, and any other does not exist. Nothing that
//! an agent asks goes anywhere, so that a name carries no data out. Outside, [`lookup`] finds where a name is, once, when
//! a flow to it is about to be dialled, [`Pins`] keeps it, and [`check`] says which of the answers may be dialled at all.
//!
//! The addresses between the halves mean nothing to anyone else: the sandbox's network leads nowhere, and what the agent
//! connects to is looked up in the pool. So a name can't be rebound under an agent, and one address is one name.
//!
//! Left out: sockets inside the sandbox, events, dialling; the wire is `hickory-proto`'s.

pub mod check;
pub mod lookup;
mod pins;
mod pool;
mod record;
mod reply;
mod resolver;

pub use pins::Pins;
pub use pool::{Pool, PoolFull};
pub use record::{Outcome, QueryRecord, Transport};
pub use resolver::{Answer, Resolver};
