//! Two people on one server: registration, a message, its receipts, and a goodbye.
//!
//! Start a server for development, then run it: `cargo run --example two_users -- 127.0.0.1:7400`.
#![allow(clippy::print_stdout, reason = "an example talks to the terminal")]

use std::env;
use std::error::Error;
use std::path::Path;

use martlet_client::{Client, Config, Event, MessageState, SendOptions};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:7400".to_owned());
    // Names are unique on a server: a number keeps a second run from colliding with the first.
    let number = std::process::id();
    let (alice_name, bob_name) = (format!("alice{number}"), format!("bob{number}"));
    let homes = env::temp_dir().join(format!("two_users.{number}"));

    let alice = join(&homes.join("alice"), &server, &alice_name).await?;
    let bob = join(&homes.join("bob"), &server, &bob_name).await?;

    // Durable in Alice's home when `send` returns, whatever happens to this process or the server.
    let id = alice
        .send(&bob_name, "hello Bob", SendOptions::default())
        .await?;
    println!("alice: sent {id}");

    // Bob's side: the message comes once, and marking it read tells its writer.
    loop {
        if let Event::Message(message) = bob.next_event().await? {
            println!("bob:   {} says {:?}", message.peer, message.text());
            bob.mark_read(&message.peer, message.id).await?;
            break;
        }
    }

    // Alice's side: every step of her message, in order.
    loop {
        if let Event::Receipt(receipt) = alice.next_event().await? {
            println!(
                "alice: {} is {} by {}",
                receipt.id, receipt.state, receipt.by
            );
            if receipt.state == MessageState::Read {
                break;
            }
        }
    }

    alice.close().await?;
    bob.close().await?;
    std::fs::remove_dir_all(homes)?;
    Ok(())
}

async fn join(home: &Path, server: &str, name: &str) -> Result<Client, Box<dyn Error>> {
    let client = Client::open(home, Config::default()).await?;
    let identity = client.register(server, name, None).await?;
    println!(
        "{} is account {} device {}",
        identity.handle, identity.user, identity.device
    );
    Ok(client)
}
