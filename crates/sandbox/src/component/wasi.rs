//! WASI 0.2 for components: real clocks and random numbers, HTTP by the way out, standard output to the log, the tool's environment as
//! configuration; no arguments, environment of a process, files, standard input or sockets.

use domain::LogLevel;
use wasmtime::component::{Linker, ResourceTable};
use wasmtime_wasi::{
    WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView,
    p2::bindings::{cli, filesystem, random},
};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};
use wasmtime_wasi_io::bindings::wasi::io::poll;

use super::{
    configuration,
    http::Sender,
    poll::{HasPollables, Pollables},
    print::Print,
    random::{HasRandom, Random},
    toll::Toll,
    voice::Voice,
};
use crate::{
    host::{BYTE_FUEL, CALL_FUEL},
    invocation::CallLimit,
    state::GuestState,
};

/// Streams, pollables and the like that one guest holds at a time. Each takes some hundred bytes of the host's memory.
pub(super) const RESOURCES_MAX: usize = 512;
/// As many as a guest gets of `toolwright:tool/host` at once.
pub(super) const RANDOM_BYTES_MAX: u64 = 65_536;
/// Headers of one request or answer. Each of the guest's resources can be one.
const HEADER_BYTES_MAX: usize = 64 * 1024;
/// Fuel of a call of `wasi:http`: any of them may go through all headers.
const HTTP_CALL_FUEL: u64 = CALL_FUEL + HEADER_BYTES_MAX as u64 * BYTE_FUEL;

/// What WASI knows of one guest.
pub(crate) struct Wasi {
    context: WasiCtx,
    http: WasiHttpCtx,
    sender: Sender,
    prints: [Print; 2],
    toll: Toll,
    table: ResourceTable,
}

impl Wasi {
    fn new(voice: &Voice, sender: Sender, toll: Toll) -> Self {
        let print = |level| Print::new(level, voice.clone(), toll.clone());
        let prints = [print(LogLevel::Info), print(LogLevel::Warn)];
        let [output, errors] = &prints;
        let mut context = WasiCtxBuilder::new();
        context.stdout(output.clone()).stderr(errors.clone());
        context.allow_tcp(false).allow_udp(false).max_random_size(RANDOM_BYTES_MAX);
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(HEADER_BYTES_MAX);
        let mut table = ResourceTable::new();
        table.set_max_capacity(RESOURCES_MAX);
        Self { context: context.build(), http, sender, prints, toll, table }
    }
}

impl std::fmt::Debug for Wasi {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Wasi")
    }
}

impl GuestState {
    /// Made when a guest first asks for anything of it: tools in JavaScript never do.
    fn wasi(&mut self) -> &mut Wasi {
        let Self { wasi, log, reports, outside, .. } = self;
        wasi.get_or_insert_with(|| {
            let voice = Voice::new(log, reports.as_ref(), outside);
            let toll = Toll::default();
            Box::new(Wasi::new(&voice, Sender::new(outside, voice.clone(), toll.clone()), toll))
        })
    }

    /// Fuel that the guest owes for functions of WASI.
    pub(crate) fn wasi_fuel(&self) -> u64 {
        self.wasi.as_ref().map_or(0, |wasi| wasi.toll.due())
    }

    fn random(&mut self) -> Random<'_> {
        let Wasi { context, toll, .. } = self.wasi();
        toll.add(1, CALL_FUEL);
        Random { generators: context.random(), toll: toll.clone() }
    }

    fn pollables(&mut self) -> Pollables<'_> {
        let Wasi { table, toll, .. } = self.wasi();
        toll.add(1, CALL_FUEL);
        Pollables { table, toll: toll.clone() }
    }

    /// Counts the requests that were sent since the last time as host calls, and ends lines that were left unfinished. Gives the limit that was
    /// crossed on the way out, if one was.
    pub(crate) fn settle_wasi(&mut self) -> Option<CallLimit> {
        let Self { wasi: Some(wasi), host_calls, .. } = self else { return None };
        wasi.prints.iter().for_each(Print::end);
        *host_calls += std::mem::take(&mut wasi.sender.requests);
        wasi.sender.crossed()
    }
}

impl WasiView for GuestState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        // Every function of WASI but those of HTTP comes here first.
        let Wasi { context, table, toll, .. } = self.wasi();
        toll.add(1, CALL_FUEL);
        WasiCtxView { ctx: context, table }
    }
}

impl WasiHttpView for GuestState {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        let sent = std::mem::take(&mut self.wasi().sender.requests);
        self.host_calls += sent;
        let left = self.limits.host_calls_max.saturating_sub(self.host_calls);
        let Wasi { http, sender, table, toll, .. } = self.wasi();
        toll.add(1, HTTP_CALL_FUEL);
        sender.host_calls_left = left;
        WasiHttpCtxView { ctx: http, table, hooks: sender }
    }
}

/// Defines all of WASI but sockets.
pub(super) fn link(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    use wasmtime_wasi::{cli::WasiCli, filesystem::WasiFilesystem, random::WasiRandom};

    // Streams, pollables, both clocks, random numbers and the three standard streams.
    wasmtime_wasi::p2::add_to_linker_proxy_interfaces_async(linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)?;
    // Random bytes and lists of pollables are among the interfaces above, and here for fuel.
    linker.allow_shadowing(true);
    random::random::add_to_linker::<_, HasRandom>(linker, GuestState::random)?;
    poll::add_to_linker::<_, HasPollables>(linker, GuestState::pollables)?;
    linker.allow_shadowing(false);
    random::insecure::add_to_linker::<_, HasRandom>(linker, GuestState::random)?;
    random::insecure_seed::add_to_linker::<_, WasiRandom>(linker, |state: &mut GuestState| state.ctx().ctx.random())?;
    let filesystem = <GuestState as wasmtime_wasi::filesystem::WasiFilesystemView>::filesystem;
    filesystem::types::add_to_linker::<_, WasiFilesystem>(linker, filesystem)?;
    filesystem::preopens::add_to_linker::<_, WasiFilesystem>(linker, filesystem)?;
    let cli = <GuestState as wasmtime_wasi::cli::WasiCliView>::cli;
    cli::environment::add_to_linker::<_, WasiCli>(linker, cli)?;
    cli::exit::add_to_linker::<_, WasiCli>(linker, cli)?;
    cli::terminal_input::add_to_linker::<_, WasiCli>(linker, cli)?;
    cli::terminal_output::add_to_linker::<_, WasiCli>(linker, cli)?;
    cli::terminal_stdin::add_to_linker::<_, WasiCli>(linker, cli)?;
    cli::terminal_stdout::add_to_linker::<_, WasiCli>(linker, cli)?;
    cli::terminal_stderr::add_to_linker::<_, WasiCli>(linker, cli)?;
    configuration::link(linker)
}
