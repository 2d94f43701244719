//! What the rules share: the fault in its surroundings, and how Go source is read and changed.
//!
//! From the ground up, each importing only what stands before it:
//! - [`naming`] makes words of names; [`syntax`] reads the tree; [`handler`] knows functions that answer
//!   HTTP requests; [`flow`] follows a value to where it comes from; [`loops`] knows what ends a loop,
//!   [`asked`] what is asked for already, [`order`] where nothing was changed yet.
//! - [`edit`] changes files and their imports; [`scope`] finds free names and makes room for them; [`held`]
//!   knows what has to be given back by who leaves; [`draft`] is what a rule proposes.
//! - [`case`] is one fault with its frames; [`made`] knows what is hardly nil, [`suspect`] the expressions that
//!   may be, [`twins`] where else they are used so, [`meant`] what nil means where it is meant, [`told`] what
//!   comments say; [`literal`] the places that make a value of a type.
//! - [`paths`] knows whether a function does on every way what it owes, [`locked`] whether it holds a mutex at a place;
//!   [`methods`] what the methods of a type do with its fields and locks, [`channels`] what is done with a channel,
//!   [`calls`] what else code leads to, [`guarding`] what may be done while a lock is held, [`written`] where a value
//!   is written, [`guarded`] what a lock comes to guard.
//! - [`exit`] leaves a function early; [`check`] asks before an expression that can fail; [`doubt`] says what stays
//!   open though the crash is gone.

pub(crate) mod asked;
pub(crate) mod calls;
pub(crate) mod case;
pub(crate) mod channels;
pub(crate) mod check;
pub(crate) mod doubt;
pub(crate) mod draft;
pub(crate) mod edit;
pub(crate) mod exit;
pub(crate) mod flow;
pub(crate) mod guarded;
pub(crate) mod guarding;
pub(crate) mod handler;
pub(crate) mod held;
pub(crate) mod literal;
pub(crate) mod locked;
pub(crate) mod loops;
pub(crate) mod made;
pub(crate) mod meant;
pub(crate) mod methods;
pub(crate) mod naming;
pub(crate) mod order;
pub(crate) mod paths;
pub(crate) mod scope;
pub(crate) mod suspect;
pub(crate) mod syntax;
pub(crate) mod told;
pub(crate) mod twins;
pub(crate) mod written;
