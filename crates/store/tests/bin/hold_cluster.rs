//! The program that the tests start: `exec-child ...` as the real one has it, and `hold DATA_DIR RUNTIME_DIR [PG_BIN]`, which
//! starts a cluster, says so in a line, and stops it when its input ends.

use std::{
    env,
    error::Error,
    ffi::OsString,
    io::{self, Read, Write},
    path::PathBuf,
    time::Duration,
};

use child::Launcher;
use store::cluster::{Cluster, ClusterSettings};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args_os().skip(1);
    let command = arguments.next().ok_or("no command")?;
    if command == "exec-child" {
        return Err(child::exec_child(arguments).into());
    }
    let settings = ClusterSettings {
        data_dir: arguments.next().ok_or("no data directory")?.into(),
        runtime_dir: arguments.next().ok_or("no runtime directory")?.into(),
        binaries: arguments.next().map(PathBuf::from),
        search_path: search_path(),
        connections_max: 5,
        start_timeout: Duration::from_mins(1),
    };
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(hold(&settings))
}

#[expect(clippy::disallowed_methods, reason = "a program for tests has no configuration")]
fn search_path() -> Option<OsString> {
    env::var_os("PATH")
}

async fn hold(settings: &ClusterSettings) -> Result<(), Box<dyn Error>> {
    let mut output = io::stdout();
    match Cluster::start(settings, Launcher::new("/proc/self/exe".into())).await {
        Ok(cluster) => {
            writeln!(output, "ready {} {:?}", cluster.process_id(), cluster.database())?;
            io::stdin().read_to_end(&mut Vec::new())?;
            cluster.stop().await;
        }
        Err(error) => writeln!(output, "error {error}")?,
    }
    Ok(())
}
