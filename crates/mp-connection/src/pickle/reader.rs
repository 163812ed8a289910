use super::error::{Error, Limit};
use super::opcode;
use super::options::Options;
use super::tree::{Cell, Links, NodeId, Tree};
use input::Input;

pub(super) use call::refused;

mod call;
mod check;
mod input;
mod spelled;

/// Reads a pickle and sees to it that it is data within the limits.
pub(crate) fn read<'de>(pickle: &'de [u8], options: &Options) -> Result<Tree<'de>, Error> {
    let mut reader = Reader::new(pickle, options);
    reader.run().map_err(|fault| *fault)?;
    let mut tree = reader.tree;
    check::check(&mut tree, options).map_err(|fault| *fault)?;
    Ok(tree)
}

/// An error on its way out: in one word, since every instruction could have one.
type Fault = Box<Error>;

/// Python's stack machine, whose values are numbers: nothing is made but the cells of a tree.
///
/// Each instruction adds at most one value, all that grows is in step with the values, and those are counted: so
/// neither time nor memory grows faster than the pickle, nor beyond the limits.
struct Reader<'de, 'o> {
    input: Input<'de>,
    options: &'o Options,
    tree: Tree<'de>,
    stack: Vec<NodeId>,
    /// How long the stack was at each mark.
    marks: Vec<u32>,
    /// The last of them: values below are out of reach.
    fence: usize,
    memo: Vec<Noted>,
    /// How many values were pushed, those from the memo included.
    pushed: usize,
    max_pushed: usize,
    /// How much of it may still be taken.
    memory: usize,
}

/// An entry of the memo.
#[derive(Clone, Copy)]
struct Noted {
    id: NodeId,
    /// Whether it was used: its value is then known to be shared.
    is_used: bool,
}

/// What a value costs: its cell.
const CELL: usize = size_of::<Cell<'_>>();
/// What it costs to mention it: a link, and its place in a container of `Value`s.
const MENTION: usize = size_of::<NodeId>() + size_of::<super::Value>();
/// What a text, byte string or long integer costs beside its length: a reference count and the allocator's share.
const HEAP: usize = 40;
/// What a container costs beside what it contains.
const CONTAINER: usize = 80;
/// What a dict costs: it has its keys beside.
const DICT: usize = 192;
/// What an exception costs: it has arguments and attributes beside.
const EXCEPTION: usize = 256;
/// Room for what two levels of nesting may have open in protocol 0: the tuple of arguments, and the list in there.
const MAX_MARKS: usize = 2 * Options::MAX_DEPTH;
/// From so many values on there is room for all the others at once: where memory does not grow in its place, doubling
/// it takes half as much again.
const MANY: usize = 1 << 18;

impl<'de, 'o> Reader<'de, 'o> {
    fn new(pickle: &'de [u8], options: &'o Options) -> Self {
        Self {
            input: Input::new(pickle),
            options,
            tree: Tree::default(),
            stack: Vec::new(),
            marks: Vec::new(),
            fence: 0,
            memo: Vec::new(),
            pushed: 0,
            max_pushed: options.max_values.min(Options::MAX_VALUES),
            memory: options.max_memory,
        }
    }

    fn run(&mut self) -> Result<(), Fault> {
        loop {
            let opcode = self.input.opcode()?;
            match opcode {
                opcode::STOP => return self.stop(),
                opcode::PROTO => self.protocol()?,
                opcode::FRAME => self.input.frame()?,

                opcode::NONE => self.push(Cell::None)?,
                opcode::NEWTRUE => self.push(Cell::Bool(true))?,
                opcode::NEWFALSE => self.push(Cell::Bool(false))?,
                opcode::BININT1 => {
                    let [value] = self.input.array()?;
                    self.push(Cell::Int(value.into()))?;
                }
                opcode::BININT2 => {
                    let value = u16::from_le_bytes(self.input.array()?);
                    self.push(Cell::Int(value.into()))?;
                }
                opcode::BININT => {
                    let value = i32::from_le_bytes(self.input.array()?);
                    self.push(Cell::Int(value.into()))?;
                }
                opcode::LONG1 => {
                    let bytes = self.input.counted_u8()?;
                    self.long(bytes)?;
                }
                opcode::LONG4 => {
                    let bytes = self.input.counted_i32()?;
                    self.long(bytes)?;
                }
                opcode::BINFLOAT => {
                    let value = f64::from_be_bytes(self.input.array()?);
                    self.push(Cell::Float(value))?;
                }
                opcode::INT | opcode::LONG => self.spelled_int(opcode)?,
                opcode::FLOAT => self.spelled_float()?,

                opcode::SHORT_BINUNICODE => {
                    let bytes = self.input.counted_u8()?;
                    self.text(bytes)?;
                }
                opcode::BINUNICODE => {
                    let bytes = self.input.counted_u32()?;
                    self.text(bytes)?;
                }
                opcode::BINUNICODE8 => {
                    let bytes = self.input.counted_u64()?;
                    self.text(bytes)?;
                }
                opcode::SHORT_BINSTRING => {
                    let bytes = self.input.counted_u8()?;
                    self.ascii(bytes)?;
                }
                opcode::BINSTRING => {
                    let bytes = self.input.counted_i32()?;
                    self.ascii(bytes)?;
                }
                opcode::STRING => self.spelled_string()?,
                opcode::UNICODE => self.spelled_unicode()?,
                opcode::SHORT_BINBYTES => {
                    let bytes = self.input.counted_u8()?;
                    self.push_heap(Cell::Bytes(bytes), bytes.len())?;
                }
                opcode::BINBYTES => {
                    let bytes = self.input.counted_u32()?;
                    self.push_heap(Cell::Bytes(bytes), bytes.len())?;
                }
                opcode::BINBYTES8 => {
                    let bytes = self.input.counted_u64()?;
                    self.push_heap(Cell::Bytes(bytes), bytes.len())?;
                }
                opcode::BYTEARRAY8 => {
                    let bytes = self.input.counted_u64()?;
                    self.push_heap(Cell::ByteArray(bytes), bytes.len())?;
                }

                opcode::MARK => self.mark()?,
                opcode::POP => self.pop_or_unmark()?,
                opcode::POP_MARK => {
                    let from = self.unmark()?;
                    self.stack.truncate(from);
                }
                opcode::DUP => {
                    let id = self.top()?;
                    self.tree.shared.push(id);
                    self.mention(id, 0)?;
                }

                opcode::EMPTY_TUPLE => self.container(Cell::Tuple(Links::default()))?,
                opcode::TUPLE1 => self.tuple(1)?,
                opcode::TUPLE2 => self.tuple(2)?,
                opcode::TUPLE3 => self.tuple(3)?,
                opcode::TUPLE => {
                    let from = self.unmark()?;
                    let links = self.gather(from)?;
                    self.container(Cell::Tuple(links))?;
                }
                opcode::EMPTY_LIST => self.container(Cell::List(Links::default()))?,
                opcode::LIST => {
                    let from = self.unmark()?;
                    let links = self.gather(from)?;
                    self.container(Cell::List(links))?;
                }
                opcode::EMPTY_DICT => self.push_with(Cell::Dict(Links::default()), DICT)?,
                opcode::DICT => {
                    let from = self.unmark()?;
                    self.even(from)?;
                    let links = self.gather(from)?;
                    self.push_with(Cell::Dict(links), DICT)?;
                }
                opcode::EMPTY_SET => self.container(Cell::Set(Links::default()))?,
                opcode::FROZENSET => {
                    let from = self.unmark()?;
                    let links = self.gather(from)?;
                    self.container(Cell::FrozenSet(links))?;
                }
                opcode::APPEND => {
                    let from = self.behind(1)?;
                    self.extend(from, opcode)?;
                }
                opcode::SETITEM => {
                    let from = self.behind(2)?;
                    self.extend(from, opcode)?;
                }
                opcode::APPENDS | opcode::ADDITEMS => {
                    let from = self.unmark()?;
                    self.extend(from, opcode)?;
                }
                opcode::SETITEMS => {
                    let from = self.unmark()?;
                    self.even(from)?;
                    self.extend(from, opcode)?;
                }

                opcode::BINGET => {
                    let [index] = self.input.array()?;
                    self.get(index.into())?;
                }
                opcode::LONG_BINGET => {
                    let index = u32::from_le_bytes(self.input.array()?);
                    self.get(index.into())?;
                }
                opcode::GET => {
                    let index = self.spelled_index()?;
                    self.get(index)?;
                }
                opcode::MEMOIZE => self.put(self.memo.len() as u64)?,
                opcode::BINPUT => {
                    let [index] = self.input.array()?;
                    self.put(index.into())?;
                }
                opcode::LONG_BINPUT => {
                    let index = u32::from_le_bytes(self.input.array()?);
                    self.put(index.into())?;
                }
                opcode::PUT => {
                    let index = self.spelled_index()?;
                    self.put(index)?;
                }

                opcode::GLOBAL => self.global()?,
                opcode::STACK_GLOBAL => self.stack_global()?,
                opcode::REDUCE => self.reduce()?,
                opcode::BUILD => self.build()?,
                _ => {
                    return Err(Fault::from(Error::Opcode {
                        offset: self.offset(),
                        opcode,
                    }));
                }
            }
        }
    }

    fn offset(&self) -> usize {
        self.input.offset()
    }

    fn misuse(&self) -> Fault {
        Fault::from(Error::Misuse {
            offset: self.offset(),
            opcode: self.input.last_opcode(),
        })
    }

    fn underflow(&self) -> Fault {
        Fault::from(Error::Underflow {
            offset: self.offset(),
        })
    }

    fn protocol(&mut self) -> Result<(), Fault> {
        let offset = self.offset();
        let [version] = self.input.array()?;
        if offset != 0 {
            return Err(Fault::from(Error::Opcode {
                offset,
                opcode: opcode::PROTO,
            }));
        }
        if version > 5 {
            return Err(Fault::from(Error::Protocol { version }));
        }
        Ok(())
    }

    fn stop(&mut self) -> Result<(), Fault> {
        self.tree.root = self.pop()?;
        let count = self.stack.len() + self.marks.len();
        if count != 0 {
            return Err(Fault::from(Error::LeftOver { count }));
        }
        self.input.finish()
    }

    /// Adds a value that has no memory of its own.
    #[inline]
    fn push(&mut self, cell: Cell<'de>) -> Result<(), Fault> {
        self.push_with(cell, 0)
    }

    /// Adds a text, a byte string or a long integer.
    #[inline]
    fn push_heap(&mut self, cell: Cell<'de>, len: usize) -> Result<(), Fault> {
        self.push_with(cell, HEAP + len)
    }

    #[inline]
    fn container(&mut self, cell: Cell<'de>) -> Result<(), Fault> {
        self.push_with(cell, CONTAINER)
    }

    #[inline]
    fn push_with(&mut self, cell: Cell<'de>, memory: usize) -> Result<(), Fault> {
        let count = self.tree.cells.len();
        if count >= MANY && count == self.tree.cells.capacity() {
            let most = self.max_pushed.saturating_sub(self.pushed) + 1;
            self.tree.cells.reserve_exact(most.min(3 * count));
        }
        self.tree.cells.push(cell);
        self.mention(NodeId(count as u32), CELL + memory)
    }

    #[inline]
    fn mention(&mut self, id: NodeId, memory: usize) -> Result<(), Fault> {
        self.pushed += 1;
        if self.pushed > self.max_pushed {
            return Err(self.too_many());
        }
        self.stack.push(id);
        self.reserve(MENTION + memory)
    }

    #[inline]
    fn reserve(&mut self, bytes: usize) -> Result<(), Fault> {
        match self.memory.checked_sub(bytes) {
            Some(left) => self.memory = left,
            None => return Err(self.too_large()),
        }
        Ok(())
    }

    #[cold]
    fn too_many(&self) -> Fault {
        let limit = self.max_pushed;
        Fault::from(Error::TooLarge {
            what: Limit::Values,
            limit,
        })
    }

    #[cold]
    fn too_large(&self) -> Fault {
        let limit = self.options.max_memory;
        Fault::from(Error::TooLarge {
            what: Limit::Memory,
            limit,
        })
    }

    fn mark(&mut self) -> Result<(), Fault> {
        if self.marks.len() == MAX_MARKS {
            return Err(Fault::from(Error::TooLarge {
                what: Limit::Depth,
                limit: self.options.depth(),
            }));
        }
        self.fence = self.stack.len();
        self.marks.push(self.fence as u32);
        Ok(())
    }

    /// Takes the last mark away, and says how long the stack was then.
    fn unmark(&mut self) -> Result<usize, Fault> {
        let from = self.marks.pop().ok_or_else(|| self.underflow())?;
        self.fence = self.marks.last().map_or(0, |&mark| mark as usize);
        Ok(from as usize)
    }

    fn top(&self) -> Result<NodeId, Fault> {
        let at = self.behind(1)?;
        Ok(self.stack[at])
    }

    fn pop(&mut self) -> Result<NodeId, Fault> {
        let id = self.top()?;
        self.stack.pop();
        Ok(id)
    }

    /// Python has marks on the same stack, so that this takes one away if it is what is on top.
    fn pop_or_unmark(&mut self) -> Result<(), Fault> {
        if !self.marks.is_empty() && self.stack.len() == self.fence {
            self.unmark().map(drop)
        } else {
            self.pop().map(drop)
        }
    }

    /// Where on the stack the last `count` values begin.
    fn behind(&self, count: usize) -> Result<usize, Fault> {
        if self.stack.len() - self.fence < count {
            return Err(self.underflow());
        }
        Ok(self.stack.len() - count)
    }

    fn even(&self, from: usize) -> Result<(), Fault> {
        if !(self.stack.len() - from).is_multiple_of(2) {
            return Err(self.misuse());
        }
        Ok(())
    }

    fn tuple(&mut self, len: usize) -> Result<(), Fault> {
        let from = self.behind(len)?;
        let links = self.gather(from)?;
        self.container(Cell::Tuple(links))
    }

    /// Makes what is on the stack from there the contents of a new container.
    fn gather(&mut self, from: usize) -> Result<Links, Fault> {
        let start = self.link_end(self.stack.len() - from)?;
        let len = (self.stack.len() - from) as u32;
        self.tree.links.extend_from_slice(&self.stack[from..]);
        self.stack.truncate(from);
        Ok(Links {
            start,
            len,
            room: len,
        })
    }

    /// Where the next links come, if there is room for so many.
    fn link_end(&self, count: usize) -> Result<u32, Fault> {
        u32::try_from(self.tree.links.len() + count)
            .map(|end| end - count as u32)
            .map_err(|_| {
                Fault::from(Error::TooLarge {
                    what: Limit::Values,
                    limit: self.max_pushed,
                })
            })
    }

    /// Adds what is on the stack from there to the container in front of it.
    fn extend(&mut self, from: usize, opcode: u8) -> Result<(), Fault> {
        if from <= self.fence {
            return Err(self.underflow());
        }
        let id = self.stack[from - 1];
        let cell = match (self.tree.cells[id.index()], opcode) {
            (Cell::List(links), opcode::APPEND | opcode::APPENDS) => {
                Cell::List(self.grow(links, from)?)
            }
            (Cell::Dict(links), opcode::SETITEM | opcode::SETITEMS) => {
                Cell::Dict(self.grow(links, from)?)
            }
            (Cell::Set(links), opcode::ADDITEMS) => Cell::Set(self.grow(links, from)?),
            _ => return Err(self.misuse()),
        };
        self.tree.cells[id.index()] = cell;
        Ok(())
    }

    /// Contents grow where they are if they can, else they move to where is twice the room.
    fn grow(&mut self, mut links: Links, from: usize) -> Result<Links, Fault> {
        if links.len == 0 {
            return self.gather(from);
        }
        let count = self.stack.len() - from;
        let is_last = links.start as usize + links.room as usize == self.tree.links.len();
        if links.len as usize + count > links.room as usize {
            let len = links.len as usize + count;
            if is_last {
                self.link_end(count)?;
                self.tree
                    .links
                    .resize(links.start as usize + len, NodeId::NONE);
                links.room = len as u32;
            } else {
                let room = 2 * len;
                self.reserve(room * size_of::<NodeId>())?;
                let start = self.link_end(room)?;
                self.tree.links.extend_from_within(links.range());
                self.tree.links.resize(start as usize + room, NodeId::NONE);
                links = Links {
                    start,
                    len: links.len,
                    room: room as u32,
                };
            }
        }
        let end = links.range().end;
        self.tree.links[end..end + count].copy_from_slice(&self.stack[from..]);
        self.stack.truncate(from);
        links.len += count as u32;
        Ok(links)
    }

    fn get(&mut self, index: u64) -> Result<(), Fault> {
        let noted = usize::try_from(index)
            .ok()
            .and_then(|index| self.memo.get_mut(index))
            .filter(|noted| noted.id != NodeId::NONE);
        let Some(noted) = noted else {
            return Err(Fault::from(Error::Memo {
                offset: self.offset(),
                index,
            }));
        };
        if !noted.is_used {
            noted.is_used = true;
            self.tree.shared.push(noted.id);
        }
        let id = noted.id;
        self.mention(id, 0)
    }

    /// Python numbers what it notes, and notes no value twice: a number beyond how many values came isn't from Python.
    /// So the memo is no longer than that.
    fn put(&mut self, index: u64) -> Result<(), Fault> {
        let id = self.top()?;
        if index > self.pushed as u64 {
            return Err(Fault::from(Error::Memo {
                offset: self.offset(),
                index,
            }));
        }
        let index = index as usize;
        if index >= self.memo.len() {
            let none = Noted {
                id: NodeId::NONE,
                is_used: false,
            };
            self.memo.resize(index + 1, none);
        }
        self.memo[index] = Noted { id, is_used: false };
        Ok(())
    }

    fn long(&mut self, bytes: &'de [u8]) -> Result<(), Fault> {
        let bytes = super::int::shortest(bytes);
        match super::int::to_i64(bytes) {
            Some(value) => self.push(Cell::Int(value)),
            None => self.push_heap(Cell::BigInt(bytes), HEAP + bytes.len()),
        }
    }

    fn text(&mut self, bytes: &'de [u8]) -> Result<(), Fault> {
        match std::str::from_utf8(bytes) {
            Ok(text) => self.push_heap(Cell::Str(text), bytes.len()),
            Err(error) => {
                let offset = self.offset();
                let rest = &bytes[error.valid_up_to()..];
                Err(match rest {
                    [0xed, 0xa0..=0xbf, ..] => Fault::from(Error::Surrogate { offset }),
                    _ => Fault::from(Error::Text { offset }),
                })
            }
        }
    }

    /// A byte string of Python 2, which Python 3 takes for text, too.
    fn ascii(&mut self, bytes: &'de [u8]) -> Result<(), Fault> {
        if !bytes.is_ascii() {
            return Err(Fault::from(Error::Text {
                offset: self.offset(),
            }));
        }
        self.text(bytes)
    }
}
