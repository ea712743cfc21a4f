//! The program that the tests start: `exec-child ...` as the real one has it, and `hold PROGRAM ARGUMENT...`, a parent that
//! starts a child and then waits for its end.

use std::{env, error::Error, path::PathBuf};

use child::{ChildLimits, DeathSignal, Launcher};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args_os().skip(1);
    let command = arguments.next().ok_or("no command")?;
    if command == "exec-child" {
        return Err(child::exec_child(arguments).into());
    }
    let limits = ChildLimits {
        data_bytes_max: None,
        cpu_s_max: None,
        descriptors_max: None,
        niceness: 0,
        death_signal: DeathSignal::Interrupt,
    };
    let program: PathBuf = arguments.next().ok_or("no program")?.into();
    let launcher = Launcher::new("/proc/self/exe".into());
    let mut command = launcher.command(&program, &limits);
    command.args(arguments);
    launcher.spawn(command)?.wait()?;
    Ok(())
}
