//! A pseudo terminal: the program runs on it as before a person's eyes.

use std::fs::File;
use std::io::Read;
use std::process::Stdio;

use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// Our end of it.
pub struct Terminal(File);

impl Terminal {
    /// A new one.
    pub fn open() -> Self {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo terminal");
        grantpt(&ours).and_then(|()| unlockpt(&ours)).expect("it may be used");
        Self(File::from(ours))
    }

    /// The program's end.
    pub fn end(&self) -> Stdio {
        let name = ptsname(&self.0, Vec::new()).expect("its name");
        let end = open(name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty());
        Stdio::from(end.expect("the terminal"))
    }

    /// All that is written to it, until the last program's end is closed.
    pub fn read(mut self) -> String {
        let (mut all, mut some) = (Vec::new(), [0; 4096]);
        // Then Linux says EIO, others that there is no more.
        while let Ok(count) = self.0.read(&mut some)
            && count > 0
        {
            all.extend_from_slice(&some[..count]);
        }
        String::from_utf8(all).expect("UTF-8")
    }
}
