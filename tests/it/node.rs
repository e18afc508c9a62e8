//! A node of its own for each test: the binary, a fresh directory, ports that the system chose.

use crate::client::{Answer, Client};
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

pub const BINARY: &str = env!("CARGO_BIN_EXE_gavel");

pub struct Node {
    process: Child,
    pub data: SocketAddr,
    pub control: SocketAddr,
    pub admin_key: String,
    pub folder: PathBuf,
}

impl Node {
    /// Starts a node on `resources` (TOML for `gavel apply`) with further configuration.
    pub fn start(resources: &str, configuration: &str) -> Self {
        Self::start_by(resources, configuration, Command::new(BINARY))
    }

    /// As [`Node::start`], with files of at most `bytes` until [`Node::allow_files`]: to the node
    /// it is a full disk.
    pub fn start_limited(resources: &str, configuration: &str, bytes: u64) -> Self {
        // Without the signal the write fails, as it does on a full disk.
        let mut program = Command::new("sh");
        let script = "trap '' XFSZ; limit=$1; shift; \
                      exec prlimit --fsize=$limit:unlimited -- \"$@\"";
        program.args(["-c", script, "sh", &bytes.to_string(), BINARY]);
        Self::start_by(resources, configuration, program)
    }

    /// Lets the files of a limited node grow.
    pub fn allow_files(&self) {
        let pid = self.process.id().to_string();
        let allowed = Command::new("prlimit")
            .args(["--fsize=unlimited", "--pid", &pid])
            .status();
        assert!(allowed.unwrap().success());
    }

    pub fn start_by(resources: &str, configuration: &str, program: Command) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("gavel-it-{}-{number}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let admin_key = "it-admin-key-0123456789abcdef0123456789abcdef".to_owned();
        fs::write(folder.join("admin.key"), &admin_key).unwrap();
        let own = configuration.contains("data.workers");
        let workers = if own { "" } else { "data.workers = 1\n" };
        let config = format!(
            "data.listen = \"127.0.0.1:0\"\n{workers}\
             control.listen = \"127.0.0.1:0\"\ncontrol.admin_key_file = \"{}\"\n\
             storage.path = \"{}\"\n{configuration}",
            folder.join("admin.key").display(),
            folder.join("data").display(),
        );
        fs::write(folder.join("gavel.toml"), config).unwrap();
        fs::write(folder.join("resources.toml"), resources).unwrap();
        let applied = gavel(
            &folder,
            &["apply", "--config", "gavel.toml", "resources.toml"],
        );
        assert!(
            applied.status.success(),
            "{}",
            String::from_utf8_lossy(&applied.stderr)
        );
        Self::serve(program, folder, admin_key)
    }

    /// Kills the node as a power cut would, and starts it again on the same directory.
    pub fn crash_and_restart(&mut self) {
        self.kill();
        self.restart();
    }

    /// The process, for tools that look at it from outside.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// SIGHUP: read everything again.
    pub fn hang_up(&self) {
        let pid = self.process.id().to_string();
        let sent = Command::new("kill").args(["-HUP", &pid]).status();
        assert!(sent.unwrap().success());
    }

    /// SIGTERM: the node ends in order.
    pub fn terminate(&mut self) {
        let pid = self.process.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(sent.unwrap().success());
        self.process.wait().unwrap();
    }

    /// The value of the metric whose name and labels are `line`.
    pub fn metric(&self, line: &str) -> u64 {
        let answer = Client::new(self.control).get("/metrics");
        let text = String::from_utf8(answer.body).unwrap();
        let named = |at: &str| Some(at.strip_prefix(line)?.strip_prefix(' ')?.to_owned());
        let found = text.lines().find_map(named);
        found.map_or(0, |value| value.trim().parse().unwrap())
    }

    /// SIGKILL: nothing is said, flushed or closed.
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts a killed node again, and returns when it is ready.
    pub fn restart(&mut self) {
        let next = Self::serve(
            Command::new(BINARY),
            self.folder.clone(),
            self.admin_key.clone(),
        );
        // The old one is dropped without its folder, which is the new one's too.
        drop(std::mem::replace(self, next).disown());
    }

    fn disown(mut self) -> Self {
        self.folder = PathBuf::new();
        self
    }

    fn serve(mut program: Command, folder: PathBuf, admin_key: String) -> Self {
        let mut process = program
            .args(["serve", "--config", "gavel.toml"])
            .current_dir(&folder)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut address = |name: &str| -> SocketAddr {
            let line = lines
                .next()
                .expect("the node says where it listens")
                .unwrap();
            let (said, url) = line.split_once(" http://").expect("a line with a URL");
            assert_eq!(said, name);
            url.parse().unwrap()
        };
        let data = address("data plane");
        let control = address("control plane");
        // The rest of the output must not block the node.
        std::thread::spawn(move || lines.for_each(drop));
        Self {
            process,
            data,
            control,
            admin_key,
            folder,
        }
    }

    pub fn client(&self) -> Client {
        Client::new(self.data)
    }

    /// A request to the control plane with the admin key.
    pub fn api(&self, method: &str, path: &str, body: &str) -> Answer {
        let headers = format!(
            "Authorization: Bearer {}\r\nContent-Type: application/json\r\n",
            self.admin_key
        );
        Client::new(self.control).request(method, path, &headers, body.as_bytes())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// Waits for what a running node does a little later, so many seconds at most.
pub fn until(seconds: u64, what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(seconds), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Runs the binary in a folder and waits for it.
pub fn gavel(folder: &Path, arguments: &[&str]) -> std::process::Output {
    Command::new(BINARY)
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

/// One advertiser with an open banner line item, one publisher, and the exchange `demo`.
pub const SMALL: &str = r#"
[[advertisers]]
id = "adv_it"
name = "It"
currency = "EUR"
timezone = "Europe/Paris"
domain = "it.example"

[[campaigns]]
id = "cmp_it"
advertiser = "adv_it"
name = "It"
start = "2020-01-01T00:00:00Z"
end = "2099-01-01T00:00:00Z"
budget = { total = "1000", daily = "100" }
pacing = "asap"

[[line_items]]
id = "li_it"
campaign = "cmp_it"
name = "It"
bid = { strategy = "fixed_cpm", max_cpm = "2.00" }
targeting = { formats = ["banner"], sizes = ["300x250"] }
creatives = ["cr_it"]

[[creatives]]
id = "cr_it"
advertiser = "adv_it"
format = "banner"
w = 300
h = 250
adm = '<a href="${CLICK_URL}">it</a>'
adomain = ["it.example"]
landing_page = "https://it.example/"

[[publishers]]
id = "pub_it"
name = "Pub"
domain = "pub.example"
currency = "EUR"
revenue_share = "0.80"
auction = "first_price"

[[exchanges]]
id = "demo"
name = "demo"
currency = "EUR"
"#;

/// A banner request that [`SMALL`] sells and buys.
pub fn banner_request(id: &str) -> serde_json::Value {
    serde_json::json!({
        "id": id,
        "imp": [{ "id": "1", "banner": { "w": 300, "h": 250 } }],
        "site": { "domain": "pub.example", "publisher": { "id": "pub_it" } },
        "user": { "id": "u1" },
        "cur": ["EUR"],
        "tmax": 500,
    })
}
