//! Which declaration inside a function an identifier means, by Go's block scopes.

use tree_sitter::Node;

use super::File;

/// The declaration inside a function that an identifier means.
#[derive(Debug, Clone, Copy)]
pub enum Binding<'t> {
    /// `a, b := values`: the statement, and which of its names.
    Short {
        /// The `short_var_declaration` or `receive_statement`.
        statement: Node<'t>,
        /// Which of the names, from 0.
        position: usize,
    },
    /// `var a, b T = values`: one spec of a declaration.
    Var {
        /// The `var_spec` (or `const_spec`).
        spec: Node<'t>,
        /// Which of the names, from 0.
        position: usize,
    },
    /// `for a, b := range value`.
    Range {
        /// The `range_clause`.
        clause: Node<'t>,
        /// Which of the names, from 0.
        position: usize,
    },
    /// `switch a := value.(type)`.
    TypeSwitch {
        /// The `type_switch_statement`.
        statement: Node<'t>,
        /// The case the use stands in, where it names one type only.
        case: Option<Node<'t>>,
    },
    /// A parameter, receiver or named result of an enclosing function.
    Signature {
        /// The function's declaration or literal.
        function: Node<'t>,
        /// The `parameter_declaration`.
        declaration: Node<'t>,
        /// Which part of the signature.
        part: Part,
    },
}

/// A part of a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The receiver.
    Receiver,
    /// The parameter of this position, from 0.
    Parameter(usize),
    /// The named result of this position, from 0.
    Result(usize),
}

impl Binding<'_> {
    /// Where the declaration begins.
    #[must_use]
    pub fn start_byte(&self) -> usize {
        match self {
            Self::Short { statement, .. } | Self::TypeSwitch { statement, .. } => statement.start_byte(),
            Self::Var { spec, .. } => spec.start_byte(),
            Self::Range { clause, .. } => clause.start_byte(),
            Self::Signature { declaration, .. } => declaration.start_byte(),
        }
    }
}

/// The named nodes that stand beside one and before it, the nearest first. They are looked up all at once: for each
/// step back from one alone the tree is searched from its root.
pub fn earlier(node: Node<'_>) -> impl Iterator<Item = Node<'_>> {
    let mut found = Vec::new();
    if let Some(parent) = node.parent() {
        let mut cursor = parent.walk();
        found.extend(parent.named_children(&mut cursor).take_while(|beside| *beside != node));
    }
    found.into_iter().rev()
}

/// The named nodes that stand beside one and behind it, in order; looked up all at once, as those of [`earlier`].
pub fn later(node: Node<'_>) -> impl Iterator<Item = Node<'_>> {
    let mut found = Vec::new();
    if let Some(parent) = node.parent() {
        let mut cursor = parent.walk();
        found.extend(parent.named_children(&mut cursor).skip_while(|beside| *beside != node).skip(1));
    }
    found.into_iter()
}

impl File {
    /// The declaration inside a function that a name means at a node; none when it is declared
    /// outside every function, or nowhere.
    #[must_use]
    pub fn binding<'t>(&'t self, at: Node<'t>, name: &str) -> Option<Binding<'t>> {
        let mut node = at;
        while let Some(parent) = node.parent() {
            let found = match parent.kind() {
                "statement_list" => self.before(node, name),
                "if_statement" | "expression_switch_statement" | "for_clause" => {
                    self.header(parent, node, name)
                }
                "type_switch_statement" => {
                    self.header(parent, node, name).or_else(|| self.type_switch(parent, node, name))
                }
                "for_statement" => self.loop_names(parent, node, name),
                "communication_case" => parent
                    .child_by_field_name("communication")
                    .filter(|statement| *statement != node && statement.kind() == "receive_statement")
                    .and_then(|statement| self.short(statement, name)),
                "func_literal" | "function_declaration" | "method_declaration" => {
                    self.signature(parent, name)
                }
                _ => None,
            };
            if found.is_some() {
                return found;
            }
            node = parent;
        }
        None
    }

    /// The function's declaration or literal that encloses a node.
    #[must_use]
    pub fn enclosing_function<'t>(&self, node: Node<'t>) -> Option<Node<'t>> {
        std::iter::successors(node.parent(), Node::parent).find(|node| {
            matches!(node.kind(), "func_literal" | "function_declaration" | "method_declaration")
        })
    }

    /// The declarations among the statements that stand before one of a list, nearest first.
    fn before<'t>(&'t self, statement: Node<'t>, name: &str) -> Option<Binding<'t>> {
        earlier(statement).find_map(|earlier| self.declares(earlier, name))
    }

    /// What a statement declares under a name.
    #[must_use]
    pub fn declares<'t>(&'t self, statement: Node<'t>, name: &str) -> Option<Binding<'t>> {
        match statement.kind() {
            "short_var_declaration" => self.short(statement, name),
            "var_declaration" | "const_declaration" | "var_spec_list" => {
                let mut cursor = statement.walk();
                statement.named_children(&mut cursor).find_map(|child| self.declares(child, name))
            }
            "var_spec" | "const_spec" => {
                let mut cursor = statement.walk();
                let position = statement
                    .children_by_field_name("name", &mut cursor)
                    .filter(Node::is_named)
                    .position(|child| self.text_of(child) == name)?;
                Some(Binding::Var { spec: statement, position })
            }
            "labeled_statement" => self.declares(statement.named_child(1)?, name),
            _ => None,
        }
    }

    fn short<'t>(&'t self, statement: Node<'t>, name: &str) -> Option<Binding<'t>> {
        let left = statement.child_by_field_name("left")?;
        let position = self.position_in(left, name)?;
        Some(Binding::Short { statement, position })
    }

    fn position_in(&self, list: Node<'_>, name: &str) -> Option<usize> {
        let mut cursor = list.walk();
        list.named_children(&mut cursor).position(|child| self.text_of(child) == name)
    }

    fn header<'t>(&'t self, parent: Node<'t>, from: Node<'t>, name: &str) -> Option<Binding<'t>> {
        let initializer = parent.child_by_field_name("initializer")?;
        (initializer != from).then(|| self.declares(initializer, name)).flatten()
    }

    fn loop_names<'t>(&'t self, parent: Node<'t>, from: Node<'t>, name: &str) -> Option<Binding<'t>> {
        let clause = parent.named_child(0).filter(|clause| *clause != from)?;
        match clause.kind() {
            "for_clause" => self.declares(clause.child_by_field_name("initializer")?, name),
            "range_clause" => {
                let left = clause.child_by_field_name("left")?;
                let position = self.position_in(left, name)?;
                self.text_of(clause).contains(":=").then_some(Binding::Range { clause, position })
            }
            _ => None,
        }
    }

    fn type_switch<'t>(&'t self, parent: Node<'t>, from: Node<'t>, name: &str) -> Option<Binding<'t>> {
        let alias = parent.child_by_field_name("alias")?;
        if self.text_of(alias) != name || from == alias {
            return None;
        }
        let mut cursor = from.walk();
        let types = from.children_by_field_name("type", &mut cursor).filter(Node::is_named).count();
        let case = (from.kind() == "type_case" && types == 1).then_some(from);
        Some(Binding::TypeSwitch { statement: parent, case })
    }

    fn signature<'t>(&'t self, function: Node<'t>, name: &str) -> Option<Binding<'t>> {
        let part = |field: &str, make: fn(usize) -> Part| {
            let list = function.child_by_field_name(field)?;
            let mut position = 0;
            let mut cursor = list.walk();
            for declaration in list.named_children(&mut cursor) {
                let mut names = declaration.walk();
                let names: Vec<_> =
                    declaration.children_by_field_name("name", &mut names).filter(Node::is_named).collect();
                if let Some(at) = names.iter().position(|node| self.text_of(*node) == name) {
                    return Some(Binding::Signature { function, declaration, part: make(position + at) });
                }
                position += names.len().max(1);
            }
            None
        };
        part("parameters", Part::Parameter)
            .or_else(|| part("receiver", |_| Part::Receiver))
            .or_else(|| part("result", Part::Result))
    }
}
