//! What is sent: lines of files, mixed by weight.

use std::fs;
use std::path::PathBuf;

use thiserror::Error;

use super::Target;
use crate::corpus::Random;

/// Most bytes of all bodies together.
const BYTES_MAX: u64 = 512 * 1024 * 1024;

/// Bid requests from several files, one a line, and the weight of each file.
#[derive(Debug, Clone)]
pub struct Bodies {
    files: Vec<(u32, Vec<Vec<u8>>)>,
    /// The lines are paths to get, not bodies to post.
    paths: bool,
}

/// Why bodies cannot be used.
#[derive(Debug, Error)]
pub enum BodiesError {
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A weight is no number from 1 to 1,000,000.
    #[error(
        "{argument:?} has no usable weight; the form is FILE or FILE:WEIGHT, weight 1 to 1000000"
    )]
    Weight {
        /// What was given.
        argument: String,
    },
    /// Nothing to send.
    #[error("{} holds no line", path.display())]
    Empty {
        /// Which file.
        path: PathBuf,
    },
    /// All files together are too large.
    #[error("bodies have {found} bytes, at most {BYTES_MAX} are allowed")]
    Size {
        /// Bytes of all files.
        found: u64,
    },
}

impl Bodies {
    /// Loads files given as `FILE` (weight 1) or `FILE:WEIGHT`.
    ///
    /// # Errors
    /// A file is unreadable or empty, a weight is not a number, or all are too large.
    pub fn load(arguments: &[String]) -> Result<Self, BodiesError> {
        let mut files = Vec::new();
        let mut found = 0;
        for argument in arguments {
            let (path, weight) = split(argument)?;
            let text = fs::read(&path).map_err(|source| BodiesError::Read {
                path: path.clone(),
                source,
            })?;
            found += text.len() as u64;
            if found > BYTES_MAX {
                return Err(BodiesError::Size { found });
            }
            let lines = text
                .split(|&byte| byte == b'\n')
                .filter(|line| !line.is_empty());
            let lines: Vec<Vec<u8>> = lines.map(<[u8]>::to_vec).collect();
            if lines.is_empty() {
                return Err(BodiesError::Empty { path });
            }
            files.push((weight, lines));
        }
        Ok(Self {
            files,
            paths: false,
        })
    }

    /// Bodies from memory, all of one weight.
    ///
    /// # Panics
    /// If there is none.
    pub fn from_lines(lines: Vec<Vec<u8>>) -> Self {
        assert!(!lines.is_empty(), "a load needs a body");
        Self {
            files: vec![(1, lines)],
            paths: false,
        }
    }

    /// Paths with their queries, to be got one after the other in this order.
    ///
    /// # Panics
    /// If there is none.
    pub fn paths(paths: Vec<Vec<u8>>) -> Self {
        Self {
            paths: true,
            ..Self::from_lines(paths)
        }
    }

    /// All lines, file by file.
    pub fn lines(&self) -> impl Iterator<Item = &[u8]> + Clone {
        let files = self.files.iter();
        files.flat_map(|(_, lines)| lines.iter().map(Vec::as_slice))
    }

    /// Bodies in all files.
    pub fn count(&self) -> usize {
        self.files.iter().map(|(_, lines)| lines.len()).sum()
    }

    /// Whole HTTP requests, by file and line.
    pub(super) fn requests_to(&self, target: &Target) -> Vec<Vec<Vec<u8>>> {
        let get = |path: &Vec<u8>| {
            let head = format!(" HTTP/1.1\r\nHost: {}\r\n\r\n", target.address());
            [b"GET ", path.as_slice(), head.as_bytes()].concat()
        };
        let whole = |body: &Vec<u8>| {
            if self.paths {
                return get(body);
            }
            let mut request = format!(
                "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
                 X-OpenRTB-Version: 2.6\r\nContent-Length: {}\r\n\r\n",
                target.path(),
                target.address(),
                body.len()
            )
            .into_bytes();
            request.extend_from_slice(body);
            request
        };
        self.files
            .iter()
            .map(|(_, lines)| lines.iter().map(whole).collect())
            .collect()
    }

    /// The order in which bodies are sent, the same in every run.
    pub(super) fn source(&self) -> Source {
        let mut upto = 0;
        let files = self.files.iter().map(|(weight, lines)| {
            upto += u64::from(*weight);
            (upto, lines.len(), 0)
        });
        Source {
            files: files.collect(),
            random: Random::new(1),
        }
    }
}

/// Draws a file by weight and takes its lines in turn.
pub(super) struct Source {
    /// Cumulated weight, lines, next line.
    files: Vec<(u64, usize, usize)>,
    random: Random,
}

impl Source {
    pub(super) fn pick(&mut self) -> (usize, usize) {
        let total = self.files.last().expect("there is a file").0;
        let drawn = self.random.below(total);
        let at = self.files.partition_point(|&(upto, ..)| upto <= drawn);
        let (_, lines, next) = &mut self.files[at];
        let line = *next;
        *next = (line + 1) % *lines;
        (at, line)
    }
}

fn split(argument: &str) -> Result<(PathBuf, u32), BodiesError> {
    match argument.rsplit_once(':') {
        None => Ok((PathBuf::from(argument), 1)),
        Some((path, weight)) => match weight.parse() {
            Ok(weight @ 1..=1_000_000) => Ok((PathBuf::from(path), weight)),
            Ok(_) | Err(_) => Err(BodiesError::Weight {
                argument: argument.to_owned(),
            }),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_drawn_by_weight_and_read_in_turn() {
        let lines = |count: usize| vec![b"{}".to_vec(); count];
        let bodies = Bodies {
            files: vec![(1, lines(2)), (3, lines(5))],
            paths: false,
        };
        let mut source = bodies.source();
        let picks: Vec<_> = (0..4_000).map(|_| source.pick()).collect();
        let of_first: Vec<_> = picks.iter().filter(|(file, _)| *file == 0).collect();
        assert!((900..1_100).contains(&of_first.len()), "{}", of_first.len());
        assert!(
            of_first
                .iter()
                .enumerate()
                .all(|(n, (_, line))| *line == n % 2)
        );
        let mut again = bodies.source();
        assert!(picks.iter().all(|pick| *pick == again.pick()));
    }

    #[test]
    fn a_weight_is_a_number_or_absent() {
        assert_eq!(split("a/b.jsonl").unwrap(), (PathBuf::from("a/b.jsonl"), 1));
        assert_eq!(
            split("a/b.jsonl:7").unwrap(),
            (PathBuf::from("a/b.jsonl"), 7)
        );
        for bad in ["a:0", "a:", "a:x", "a:-1", "a:1000001"] {
            assert!(
                split(bad).unwrap_err().to_string().contains("FILE:WEIGHT"),
                "{bad}"
            );
        }
    }

    #[test]
    fn paths_are_got_in_order() {
        let bodies = Bodies::paths(vec![b"/a?b=c".to_vec(), b"/d".to_vec()]);
        let requests = bodies.requests_to(&"http://127.0.0.1:80/x".parse().unwrap());
        let first = b"GET /a?b=c HTTP/1.1\r\nHost: 127.0.0.1:80\r\n\r\n";
        assert_eq!(requests[0][0], first);
        let mut source = bodies.source();
        let picks = [source.pick(), source.pick()];
        assert_eq!(picks, [(0, 0), (0, 1)]);
    }

    #[test]
    fn a_request_is_whole() {
        let bodies = Bodies::from_lines(vec![b"{\"id\":1}".to_vec()]);
        let requests = bodies.requests_to(&"http://127.0.0.1:80/x".parse().unwrap());
        let text = String::from_utf8(requests[0][0].clone()).unwrap();
        assert!(
            text.starts_with("POST /x HTTP/1.1\r\nHost: 127.0.0.1:80\r\n"),
            "{text}"
        );
        assert!(
            text.ends_with("Content-Length: 8\r\n\r\n{\"id\":1}"),
            "{text}"
        );
    }
}
