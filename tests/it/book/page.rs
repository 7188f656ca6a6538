//! The blocks of a page, and what each says is to become of it.

/// A fenced block, wherever it stands: in a comment as well.
#[derive(Debug, Clone)]
pub struct Block {
    /// The line of the fence, from 1.
    pub line: usize,
    pub language: String,
    attributes: Vec<(String, String)>,
    pub text: String,
    /// Whether it stands in a comment, which no reader sees.
    pub is_hidden: bool,
}

/// What becomes of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action<'b> {
    /// With the exit codes that are as they should be, a comma between them.
    Run {
        codes: &'b str,
        eventually: bool,
    },
    Serve,
    Stop,
    Output(Output),
    Ask {
        listener: Listener,
        path: &'b str,
        status: u16,
    },
    Quote(&'b str),
    Write(&'b str),
    Check(&'b str),
    Config,
    Leave(&'b str),
}

/// Which part of what came out a block shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    Whole,
    Part,
    Stderr,
}

/// Who is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listener {
    Authorize,
    Admin,
}

/// The blocks of a text, in order.
pub fn blocks(text: &str) -> Vec<Block> {
    let (mut found, mut open): (Vec<Block>, Option<(usize, Block)>) = (Vec::new(), None);
    let mut is_hidden = false;
    for (index, line) in text.lines().enumerate() {
        let bare = line.trim_start();
        let indent = line.len() - bare.len();
        match &mut open {
            None => {
                if let Some(info) = bare.strip_prefix("```") {
                    open = Some((indent, Block { is_hidden, ..Block::new(index + 1, info) }));
                } else if bare.starts_with("<!--") || bare.ends_with("-->") {
                    is_hidden = !bare.ends_with("-->");
                }
            }
            Some(_) if bare.trim_end() == "```" => found.extend(open.take().map(|(_, block)| block)),
            Some((outer, block)) => {
                block.text.push_str(&line[indent.min(*outer)..]);
                block.text.push('\n');
            }
        }
    }
    assert!(open.is_none(), "a block without an end: {open:?}");
    found
}

impl Block {
    fn new(line: usize, info: &str) -> Self {
        let mut words = words(info).into_iter();
        let language = words.next().unwrap_or_default();
        let attributes = words.map(|word| {
            let (name, value) = word.split_once('=').unwrap_or((&word, ""));
            (name.to_owned(), value.to_owned())
        });
        Self { line, language, attributes: attributes.collect(), text: String::new(), is_hidden: false }
    }

    fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether it shows what came out of the block before it.
    pub fn is_output(&self) -> bool {
        self.attribute("output").is_some()
    }

    /// What becomes of it; the problem where it does not say so.
    pub fn action(&self) -> Result<Action<'_>, String> {
        let mut known = vec![];
        let mut take = |name: &'static str| {
            known.push(name);
            self.attribute(name)
        };
        let action = if let Some(reason) = take("not-run") {
            Action::Leave(reason)
        } else if let Some(which) = take("output") {
            Action::Output(match which {
                "" => Output::Whole,
                "part" => Output::Part,
                "stderr" => Output::Stderr,
                other => return Err(format!("`output={other}` means nothing")),
            })
        } else if let Some(path) = take("file") {
            Action::Quote(path)
        } else if let Some(path) = take("write") {
            Action::Write(path)
        } else if let Some(path) = take("check") {
            Action::Check(path)
        } else if let Some(path) = take("ask") {
            Action::Ask { listener: Listener::Authorize, path, status: number(take("status"), 200)? }
        } else if let Some(path) = take("tell") {
            Action::Ask { listener: Listener::Admin, path, status: number(take("status"), 200)? }
        } else if take("config").is_some() {
            Action::Config
        } else if self.language != "sh" {
            return Err(format!("a block of `{}` that says nothing of what is to become of it", self.language));
        } else if take("serve").is_some() {
            Action::Serve
        } else if take("stop").is_some() {
            Action::Stop
        } else {
            let codes = take("exit").unwrap_or("0");
            codes.split(',').try_for_each(|code| number(Some(code), 0).map(drop))?;
            Action::Run { codes, eventually: take("eventually").is_some() }
        };
        match self.attributes.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            Some((name, _)) => Err(format!("`{name}` means nothing here")),
            None => Ok(action),
        }
    }
}

fn number<T: std::str::FromStr>(given: Option<&str>, otherwise: T) -> Result<T, String> {
    given.map_or(Ok(otherwise), |text| text.parse().map_err(|_| format!("`{text}` is no number")))
}

/// The words of an info string; quotes hold blanks together.
fn words(info: &str) -> Vec<String> {
    let (mut found, mut word, mut quoted) = (Vec::new(), String::new(), false);
    for letter in info.chars() {
        match letter {
            '"' => quoted = !quoted,
            ' ' if !quoted => found.push(std::mem::take(&mut word)),
            _ => word.push(letter),
        }
    }
    found.push(word);
    found.retain(|word| !word.is_empty());
    found
}

#[test]
fn blocks_say_what_becomes_of_them() {
    let text = "a\n```sh\nls\n```\n<!--\n```sh exit=2,3 eventually\n  x\n```\n-->\n  ```yaml check=set/a.yaml\n  b:\n    c\n  ```\n\
        ```json ask=/v1/authorize status=400\n```\n```text output=part\n```\n```toml\n```\n```sh not-run=\"needs a cluster\"\n```\n\
        ```sh exit=two\n```\n```sh write=a b\n```\n";
    let found = blocks(text);
    let actions: Vec<_> = found.iter().map(|block| (block.line, block.text.as_str(), block.action())).collect();
    let run = |codes, eventually| Ok(Action::Run { codes, eventually });
    let ask = Action::Ask { listener: Listener::Authorize, path: "/v1/authorize", status: 400 };
    assert_eq!(found.iter().filter(|block| block.is_hidden).map(|block| block.line).collect::<Vec<_>>(), [6]);
    assert_eq!(
        actions,
        [
            (2, "ls\n", run("0", false)),
            (6, "  x\n", run("2,3", true)),
            (10, "b:\n  c\n", Ok(Action::Check("set/a.yaml"))),
            (14, "", Ok(ask)),
            (16, "", Ok(Action::Output(Output::Part))),
            (18, "", Err("a block of `toml` that says nothing of what is to become of it".to_owned())),
            (20, "", Ok(Action::Leave("needs a cluster"))),
            (22, "", Err("`two` is no number".to_owned())),
            (24, "", Err("`b` means nothing here".to_owned())),
        ]
    );
}
