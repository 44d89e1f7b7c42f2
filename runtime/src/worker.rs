//! The jailed process, from its first instruction to its last.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Arc;

use tokio::runtime::Runtime;

use crate::engine::{self, Query};
use crate::guest::{self, Compiler, FunctionModule, Functions, Guest, Loader, ModuleFault};
use crate::jail::{enter, process, seal, seccomp};
use crate::layer::LayerReport;
use crate::limits::Limits;
use crate::order::OutputField;
use crate::outcome::{Fault, Outcome};
use crate::output;
use crate::protocol::{
    self, Decoder, FromWorker, ModuleHeader, ORDER_FRAME_BYTES_MAX, ProgramKind, RunHeader,
    ToWorker, WORKER_FRAME_BYTES_MAX, WorkerKind,
};
use crate::ran::Ran;
use crate::socket;
use crate::staged_file::StagedFile;

/// One of the platform's own functions that reads hostile bytes: request and inputs to an answer.
/// Its error says nothing, since whatever it could say may quote what it read.
pub type TaskFn = fn(request: &[u8], inputs: Vec<File>) -> Result<Vec<u8>, ()>;

/// Stack of the thread that serves: plans nest, and the main thread cannot measure its own stack
/// without /proc.
const STACK_BYTES: usize = 16 * 1024 * 1024;

/// The whole life of a worker: enters the jail, takes one run, ends. Call it first thing in `main`,
/// before any thread is made; standard input must be the socket that a [`crate::Supervisor`]
/// passed.
pub fn worker_main(tasks: &[(&'static str, TaskFn)]) -> ExitCode {
    // What a panic says may quote data; that it happened is told by the outcome.
    std::panic::set_hook(Box::new(|_| {}));
    match live(tasks) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn live(tasks: &[(&'static str, TaskFn)]) -> io::Result<()> {
    // Namespaces and landlock bind one thread: with more, the jail would have a hole.
    if std::fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() > 1) {
        return Err(io::ErrorKind::ResourceBusy.into());
    }
    let mut control = Control::new(enter::take_control()?);
    let Some(ToWorker::Enter(kind)) = control.receive()? else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    let (socket, layers) = enter::stage_zero(control.socket)?;
    control.socket = socket;
    let tasks = tasks.to_vec();
    let serving = std::thread::Builder::new()
        .name("worker".to_owned())
        .stack_size(STACK_BYTES)
        .spawn(move || serve(kind, control, layers, &tasks))?;
    serving
        .join()
        .map_err(|_| io::Error::from(io::ErrorKind::Other))?
}

/// The supervisor's socket and what came over it.
struct Control {
    socket: OwnedFd,
    decoder: Decoder,
    descriptors: Vec<OwnedFd>,
}

impl Control {
    fn new(socket: OwnedFd) -> Self {
        Self {
            socket,
            decoder: Decoder::new(ORDER_FRAME_BYTES_MAX),
            descriptors: Vec::new(),
        }
    }

    /// The next message; none when the supervisor is gone.
    fn receive(&mut self) -> io::Result<Option<ToWorker>> {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match self.decoder.next() {
                Ok(Some(message)) => return Ok(Some(message)),
                Ok(None) => {}
                Err(_) => return Err(io::ErrorKind::InvalidData.into()),
            }
            let room = self.decoder.room().min(buffer.len());
            let count = socket::receive(&self.socket, &mut buffer[..room], &mut self.descriptors)?;
            if count == 0 {
                return Ok(None);
            }
            self.decoder.push(&buffer[..count]);
        }
    }

    fn send(&self, message: &FromWorker) -> io::Result<()> {
        let frame = protocol::encode(message, WORKER_FRAME_BYTES_MAX)
            .map_err(|_| io::ErrorKind::InvalidData)?;
        socket::send_blocking(&self.socket, &frame, &[])
    }
}

/// What is made while the jail is still open enough to make it.
enum Ready {
    Run(Box<Engines>),
    Compile(Compiler),
}

/// What programs run on.
struct Engines {
    runtime: Runtime,
    loader: Loader,
}

impl Ready {
    fn new(kind: WorkerKind) -> Option<Self> {
        Some(match kind {
            WorkerKind::Run => Self::Run(Box::new(Engines::new()?)),
            WorkerKind::Compile => Self::Compile(Compiler::new()?),
        })
    }

    fn compatibility(&self) -> Option<[u8; 32]> {
        match self {
            Self::Run(_) => None,
            Self::Compile(compiler) => Some(compiler.compatibility()),
        }
    }
}

impl Engines {
    fn new() -> Option<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(engine::PARTITIONS)
            .enable_time()
            .thread_stack_size(STACK_BYTES / 2)
            .build()
            .ok()?;
        let limits = Limits::default();
        runtime.block_on(async {
            tokio::spawn(async move { engine::warm(&limits).await })
                .await
                .ok()
                .flatten()
        })?;
        Some(Self {
            runtime,
            loader: Loader::new()?,
        })
    }
}

fn serve(
    kind: WorkerKind,
    mut control: Control,
    mut layers: Vec<LayerReport>,
    tasks: &[(&'static str, TaskFn)],
) -> io::Result<()> {
    let ready = Ready::new(kind).ok_or(io::ErrorKind::Other)?;
    layers.push(seccomp::confine(control.socket.as_raw_fd()));
    control.send(&FromWorker::Ready {
        layers,
        cpu_us: process::cpu_us(),
        compatibility: ready.compatibility(),
    })?;
    match control.receive()? {
        Some(ToWorker::Run(header)) => {
            let files = std::mem::take(&mut control.descriptors);
            let ran = run(&control, &ready, tasks, *header, files);
            control.send(&FromWorker::Done(ran.done()))?;
            process::exit_now(0)
        }
        Some(ToWorker::Trial) => {
            let layers = vec![seal::seal(control.socket.as_raw_fd())];
            control.send(&FromWorker::Sealed { layers })?;
            seccomp::trial()
        }
        // The supervisor is gone, or says what it should not.
        Some(ToWorker::Enter(_)) | None => process::exit_now(1),
    }
}

/// The descriptors of a run by their roles.
struct Files {
    program: File,
    output: File,
    log: File,
    /// Machine code of modules that a plan calls.
    modules: Vec<File>,
    inputs: Vec<(String, File, u64)>,
    scratch: Option<File>,
}

impl Files {
    fn new(descriptors: Vec<OwnedFd>, header: &RunHeader) -> Option<Self> {
        let beside = header.modules() + usize::from(header.scratch);
        if descriptors.len() != header.inputs.len() + 3 + beside {
            return None;
        }
        let mut descriptors = descriptors;
        let scratch = match header.scratch {
            true => descriptors.pop().map(File::from),
            false => None,
        };
        let mut files = descriptors.into_iter().map(File::from);
        let (program, output, log) = (files.next()?, files.next()?, files.next()?);
        let modules = files.by_ref().take(header.modules()).collect();
        let inputs = header
            .inputs
            .iter()
            .zip(files)
            .map(|(input, file)| (input.name.clone(), file, input.bytes))
            .collect();
        Some(Self {
            program,
            output,
            log,
            modules,
            inputs,
            scratch,
        })
    }

    fn staged(self) -> Vec<(String, StagedFile)> {
        let staged = |(name, file, bytes)| (name, StagedFile::new(file, bytes));
        self.inputs.into_iter().map(staged).collect()
    }
}

fn run(
    control: &Control,
    ready: &Ready,
    tasks: &[(&'static str, TaskFn)],
    header: RunHeader,
    descriptors: Vec<OwnedFd>,
) -> Ran {
    let violated = Ran::ended(Outcome::Faulted(Fault::ProtocolViolated));
    let limits = header.limits.clone();
    let mut layers = vec![seal::limit(&limits)];
    let Some(mut files) = Files::new(descriptors, &header) else {
        return violated;
    };
    let Some(program) = read_all(&files.program, header.program_bytes_max()) else {
        return violated;
    };
    let mut seal = || {
        layers.push(seal::seal(control.socket.as_raw_fd()));
        // Without an ear on the other side there is nobody to run for.
        if control
            .send(&FromWorker::Sealed {
                layers: std::mem::take(&mut layers),
            })
            .is_err()
        {
            process::exit_now(1);
        }
    };
    let ran = catch_unwind(AssertUnwindSafe(|| match (ready, header.program) {
        (Ready::Run(engines), ProgramKind::Sql { modules, seed }) => {
            // Code becomes executable here, and never again.
            let loaded = load_all(&engines.loader, &mut files, modules, &limits);
            seal();
            let Some(modules) = loaded else {
                return Ran::ended(Outcome::Faulted(Fault::EngineFailed));
            };
            run_sql(engines, program, (modules, seed), files, limits)
        }
        (Ready::Run(engines), ProgramKind::Wasm { output, seed }) => {
            // Code becomes executable here, and never again.
            let module = engines.loader.load(&program);
            drop(program);
            seal();
            run_guest(engines, module, files, (output, seed), &limits)
        }
        (Ready::Run(_), ProgramKind::Task { name }) => {
            seal();
            run_task(tasks, &name, &program, files, &limits)
        }
        (Ready::Compile(compiler), ProgramKind::Compile) => {
            // Nothing that a compile worker makes is ever executable in it.
            seal();
            compile(compiler, &program, files, &limits)
        }
        _ => violated,
    }));
    ran.unwrap_or(Ran::ended(Outcome::Faulted(Fault::Panicked)))
}

fn read_all(file: &File, bytes_max: u64) -> Option<Vec<u8>> {
    let bytes = file.metadata().ok()?.len();
    if bytes > bytes_max {
        return None;
    }
    let mut program = vec![0; usize::try_from(bytes).ok()?];
    file.read_exact_at(&mut program, 0).ok()?;
    Some(program)
}

/// The modules that a plan calls; none where their code was made with other settings.
fn load_all(
    loader: &Loader,
    files: &mut Files,
    headers: Vec<ModuleHeader>,
    limits: &Limits,
) -> Option<Vec<FunctionModule>> {
    let codes = std::mem::take(&mut files.modules);
    let load = |(header, code): (ModuleHeader, File)| {
        Some(FunctionModule {
            name: header.name,
            module: loader.load(&read_all(&code, limits.code_bytes_max)?)?,
            functions: header.functions,
        })
    };
    headers.into_iter().zip(codes).map(load).collect()
}

fn run_sql(
    engines: &Engines,
    plan: Vec<u8>,
    (modules, seed): (Vec<FunctionModule>, [u8; 32]),
    mut files: Files,
    limits: Limits,
) -> Ran {
    let copies = (files.log.try_clone(), files.output.try_clone());
    let (Ok(mut log), Ok(output)) = copies else {
        return Ran::ended(Outcome::Faulted(Fault::EngineFailed));
    };
    let scratch = files.scratch.take();
    let inputs = files.staged();
    let loader = &engines.loader;
    let called =
        (!modules.is_empty()).then(|| Arc::new(Functions::new(loader, modules, seed, &limits)));
    let functions = called.clone();
    // On a thread of the engine: it has a stack that can be measured.
    let run = async move {
        let query = Query {
            plan: &plan,
            inputs,
            functions,
        };
        engine::run(query, &limits, output, scratch).await
    };
    let ended = engines.runtime.block_on(engines.runtime.spawn(run));
    let mut ran = ended.unwrap_or(Ran::ended(Outcome::Faulted(Fault::Panicked)));
    if let Some(called) = called {
        let (fuel, said) = called.close();
        ran.fuel = fuel;
        let _ = log.write_all(&said);
    }
    ran
}

fn run_guest(
    engines: &Engines,
    module: Option<wasmtime::Module>,
    files: Files,
    (output_fields, seed): (Vec<OutputField>, [u8; 32]),
    limits: &Limits,
) -> Ran {
    let copies = (files.log.try_clone(), files.output.try_clone());
    let (Some(module), (Ok(log), Ok(output))) = (module, copies) else {
        return Ran::ended(Outcome::Faulted(Fault::EngineFailed));
    };
    let guest = Guest {
        module,
        inputs: files.staged(),
        output_fields,
        seed,
        output,
        log,
    };
    guest::run(&engines.loader, guest, limits)
}

/// Looks into a module and answers with its machine code.
fn compile(compiler: &Compiler, module: &[u8], files: Files, limits: &Limits) -> Ran {
    let refused = match guest::inspect_module(module) {
        Ok(_) => None,
        Err(
            ModuleFault::ImportRefused { .. }
            | ModuleFault::InterfacesMixed
            | ModuleFault::ExportMissing { .. },
        ) => Some(Fault::ProgramRefused),
        Err(_) => Some(Fault::ProgramInvalid),
    };
    if let Some(fault) = refused {
        return Ran::ended(Outcome::Faulted(fault));
    }
    match compiler.compile(module) {
        Some(code) => answer(files.output, &code, limits),
        None => Ran::ended(Outcome::Faulted(Fault::ProgramInvalid)),
    }
}

fn answer(output: File, bytes: &[u8], limits: &Limits) -> Ran {
    match output::write_answer(output, bytes, limits.output_bytes_max) {
        Ok(()) => Ran::ended(Outcome::Finished),
        Err(outcome) => Ran::ended(outcome),
    }
}

fn run_task(
    tasks: &[(&'static str, TaskFn)],
    name: &str,
    request: &[u8],
    files: Files,
    limits: &Limits,
) -> Ran {
    let Some((_, task)) = tasks.iter().find(|(known, _)| *known == name) else {
        return Ran::ended(Outcome::Faulted(Fault::TaskUnknown));
    };
    let inputs = files.inputs.into_iter().map(|(_, file, _)| file).collect();
    let Ok(answer) = task(request, inputs) else {
        return Ran::ended(Outcome::Faulted(Fault::TaskFailed));
    };
    self::answer(files.output, &answer, limits)
}
