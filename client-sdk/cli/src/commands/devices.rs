//! `devices` and `revoke`: the devices of this account, their names, and removing one.

use anyhow::bail;
use martlet_client::{Client, Device, DeviceId, Identity};

use crate::args::{Devices, DevicesChange, Rename, Revoke};
use crate::output::{self, Format, Output, device_name};
use crate::text;

pub(super) async fn run(client: Client, identity: Identity, args: Devices) -> anyhow::Result<()> {
    match args.change {
        Some(DevicesChange::Rename(args)) => rename(client, args).await,
        None => list(client, identity, args.json).await,
    }
}

async fn list(client: Client, identity: Identity, json: bool) -> anyhow::Result<()> {
    let devices = client.devices().await?;
    if devices.is_empty() {
        bail!("the devices of this account are not known yet: try again when the server answers");
    }
    let mut output = Output::stdout(Format::new(json), &identity);
    for device in &devices {
        output.device(device)?;
    }
    Ok(())
}

pub(super) async fn revoke(client: Client, args: Revoke) -> anyhow::Result<()> {
    let devices = client.devices().await?;
    let id = find(&devices, &args.device)?;
    client.revoke(id).await?;
    let device = devices.iter().find(|device| device.device == id);
    let name = device.map_or_else(String::new, |device| format!(" ({})", device_name(device)));
    output::print(&format!("revoked device {id}{name}"))?;
    Ok(())
}

async fn rename(client: Client, args: Rename) -> anyhow::Result<()> {
    let devices = client.devices().await?;
    let id = find(&devices, &args.device)?;
    client.rename_device(id, &args.name).await?;
    let before = devices.iter().find(|device| device.device == id);
    let before = before.map_or_else(String::new, |device| format!(" ({})", device_name(device)));
    let name = text::one_line(&args.name);
    output::print(&format!("device {id}{before} is called {name} now"))?;
    Ok(())
}

/// The device with this number, or the only one with this name.
fn find(devices: &[Device], wanted: &str) -> anyhow::Result<DeviceId> {
    if let Ok(number) = wanted.parse() {
        return Ok(DeviceId(number));
    }
    let named = |device: &&Device| device.name.as_deref() == Some(wanted);
    match devices.iter().filter(named).collect::<Vec<_>>()[..] {
        [device] => Ok(device.device),
        [] => bail!("no device is called {wanted}: `martlet devices` lists them"),
        _ => bail!("more than one device is called {wanted}: say the number"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(number: u16, name: &str) -> Device {
        Device {
            device: DeviceId(number),
            name: Some(name.to_owned()),
            is_this: false,
            has_account_key: false,
        }
    }

    #[test]
    fn a_device_is_found_by_its_number_or_by_a_name_that_no_other_has() {
        let devices = [
            device(1, "first device"),
            device(2, "laptop"),
            device(3, "tablet"),
            device(4, "tablet"),
        ];
        assert_eq!(find(&devices, "2").unwrap(), DeviceId(2));
        assert_eq!(find(&devices, "laptop").unwrap(), DeviceId(2));
        for (wanted, said) in [
            ("phone", "no device is called"),
            ("tablet", "more than one"),
        ] {
            let error = find(&devices, wanted).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
