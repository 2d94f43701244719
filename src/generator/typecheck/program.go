// Says what the type checker of this Go toolchain knows about packages: the types of their expressions, what lies how
// far behind each pointer that they follow, and where they use which functions.
//
// It is run in the folder of a module, with the file for its answer and the packages as `go list` takes them. The
// types of what they import come from the build cache, as compilers read them. Packages with errors are checked as
// far as they go.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sort"
)

// How many expressions of a package are told about at most, and how many in all: tables of data hold millions, and
// nobody asks for their types.
const (
	mostOfOne = 200_000
	most      = 600_000
)

// Listed is one package as `go list` tells it.
type Listed struct {
	ImportPath string
	Dir        string
	GoFiles    []string
	Export     string
	ImportMap  map[string]string
	DepOnly    bool
	Standard   bool
	Module     *struct{ Main bool }
}

// Told is what is told about one file. Every place is the first byte and the one after the last; types stand by their
// number in Types.
type Told struct {
	Path string `json:"path"`
	// Place, and the types of the expression's results. A value without one has a type that no name tells.
	Spans [][]int `json:"spans"`
	// Place of what is followed where it may be nil, how far behind it the access begins, how many bytes it may
	// touch, and the name of what is accessed.
	Links [][]int `json:"links"`
	// Every use of a function, and the functions that are declared; nothing where not all of them are known.
	Uses      [][]int `json:"uses"`
	Functions [][]int `json:"functions"`
}

// Answer is the whole answer.
type Answer struct {
	Words []string `json:"words"`
	Files []*Told  `json:"files"`
}

type teller struct {
	answer  Answer
	numbers map[string]int
	all     int // What was told in all, and of this package.
	ofOne   int
	allUses int
	sizes   types.Sizes
	fset    *token.FileSet
}

// checked is one package after its check.
type checked struct {
	files []*ast.File
	own   *types.Package
	info  *types.Info
	// The names that more than one type has.
	shared map[string]bool
	// Whether every name in it is known.
	whole bool
}

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: typecheck ANSWER PACKAGE...")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(answer string, patterns []string) error {
	listed, err := list(patterns)
	if err != nil {
		return err
	}
	exports := map[string]string{}
	for _, p := range listed {
		exports[p.ImportPath] = p.Export
	}
	t := &teller{
		answer:  Answer{Words: []string{}, Files: []*Told{}},
		numbers: map[string]int{},
		sizes:   types.SizesFor("gc", runtime.GOARCH),
		fset:    token.NewFileSet(),
	}
	// One importer for all: a type that two packages share is one type.
	shared := importer.ForCompiler(t.fset, "gc", func(path string) (io.ReadCloser, error) {
		if file := exports[path]; file != "" {
			return os.Open(file)
		}
		return nil, fmt.Errorf("%s was not built", path)
	})
	var all []*checked
	own := map[string]bool{}
	for _, p := range listed {
		own[p.ImportPath] = !p.Standard && (p.Module == nil || p.Module.Main)
		if p.DepOnly {
			continue
		}
		if c := t.check(p, shared); c != nil {
			all = append(all, c)
		}
	}
	users := usersOf(all, own)
	for _, c := range all {
		t.tellAll(c, users)
	}
	text, err := json.Marshal(t.answer)
	if err != nil {
		return err
	}
	return os.WriteFile(answer, text, 0o600)
}

func list(patterns []string) ([]*Listed, error) {
	const fields = "-json=ImportPath,Dir,GoFiles,Export,ImportMap,DepOnly,Standard,Module"
	command := exec.Command("go", append([]string{"list", "-e", "-export", "-deps", fields, "--"}, patterns...)...)
	var said bytes.Buffer
	command.Stderr = &said
	output, err := command.Output()
	var listed []*Listed
	decoder := json.NewDecoder(bytes.NewReader(output))
	for {
		p := new(Listed)
		if decoder.Decode(p) != nil {
			break
		}
		listed = append(listed, p)
	}
	// Where one package does not build the others are listed all the same.
	if err != nil && len(listed) == 0 {
		return nil, fmt.Errorf("go list: %w: %s", err, bytes.TrimSpace(said.Bytes()))
	}
	return listed, nil
}

// mapped finds a package under the name by which another one imports it.
type mapped struct {
	names map[string]string
	all   types.Importer
}

func (m mapped) Import(path string) (*types.Package, error) {
	if name, ok := m.names[path]; ok {
		path = name
	}
	return m.all.Import(path)
}

func (t *teller) check(p *Listed, shared types.Importer) (c *checked) {
	// The type checker is made for programs that people write: what brings it down costs one package, not all.
	defer func() {
		if value := recover(); value != nil {
			fmt.Fprintln(os.Stderr, p.ImportPath, "cannot be checked:", value)
			c = nil
		}
	}()
	var files []*ast.File
	whole := true
	for _, name := range p.GoFiles {
		text, err := os.ReadFile(filepath.Join(p.Dir, name))
		if err != nil {
			whole = false
			continue
		}
		file, err := parser.ParseFile(t.fset, filepath.Join(p.Dir, name), text, parser.SkipObjectResolution)
		whole = whole && err == nil
		if file != nil {
			files = append(files, file)
		}
	}
	info := &types.Info{
		Types:      map[ast.Expr]types.TypeAndValue{},
		Defs:       map[*ast.Ident]types.Object{},
		Uses:       map[*ast.Ident]types.Object{},
		Selections: map[*ast.SelectorExpr]*types.Selection{},
	}
	config := types.Config{
		Importer: mapped{p.ImportMap, shared},
		Sizes:    t.sizes,
		// To be told of errors is to go on after them. What is not used is known all the same.
		Error: func(err error) {
			var known types.Error
			whole = whole && errors.As(err, &known) && known.Soft
		},
	}
	own, _ := config.Check(p.ImportPath, t.fset, files, info)
	return &checked{files, own, info, sharedNames(own, info), whole}
}

func (t *teller) tellAll(c *checked, users *users) {
	t.ofOne = 0
	var told []*Told
	for _, file := range c.files {
		told = append(told, t.tell(file, c))
	}
	t.answer.Files = append(t.answer.Files, told...)
	if !c.whole {
		return
	}
	ofOne := 0
	for at, file := range c.files {
		told[at].Uses, told[at].Functions = t.uses(file, c, users), t.functions(file, c, users)
		for _, function := range told[at].Functions {
			ofOne += len(function)
		}
		ofOne += len(told[at].Uses)
	}
	if t.allUses += ofOne; ofOne > mostUsesOfOne || t.allUses > mostUses {
		t.allUses -= ofOne
		for _, one := range told {
			one.Uses, one.Functions = nil, nil
		}
	}
}

func (t *teller) tell(file *ast.File, c *checked) *Told {
	info := c.info
	whole := t.fset.File(file.Pos())
	told := &Told{Path: whole.Name(), Spans: [][]int{}, Links: [][]int{}}
	names := imported(file)
	place := func(node ast.Node) []int { return []int{whole.Offset(node.Pos()), whole.Offset(node.End())} }
	add := func(node ast.Node, all ...types.Type) {
		if !t.room() {
			return
		}
		span := place(node)
		if len(all) == 1 && isMistakable(all[0], c, map[types.Type]bool{}) {
			told.Spans = append(told.Spans, span)
			return
		}
		for _, one := range all {
			text, ok := spelled(one, c.own, names)
			if !ok {
				return
			}
			span = append(span, t.number(text))
		}
		told.Spans = append(told.Spans, span)
	}
	ast.Inspect(file, func(node ast.Node) bool {
		if name, ok := node.(*ast.Ident); ok {
			if variable, ok := info.Defs[name].(*types.Var); ok && !variable.IsField() {
				add(name, variable.Type())
			}
		}
		expression, ok := node.(ast.Expr)
		if !ok {
			return true
		}
		if known := info.Types[expression]; known.IsValue() && !known.IsNil() && !isDeclared(expression, info) {
			if results, ok := known.Type.(*types.Tuple); ok {
				add(node, all(results)...)
			} else {
				add(node, types.Default(known.Type))
			}
		}
		for _, link := range t.links(expression, info) {
			if !t.room() {
				break
			}
			told.Links = append(told.Links, append(place(link.followed), int(link.offset), int(link.size), t.number(link.name)))
		}
		return true
	})
	return told
}

// isDeclared tells whether an expression is the name of a function or method: no variable that holds one.
func isDeclared(expression ast.Expr, info *types.Info) bool {
	var name *ast.Ident
	switch expression := expression.(type) {
	case *ast.ParenExpr:
		return isDeclared(expression.X, info)
	case *ast.Ident:
		name = expression
	case *ast.SelectorExpr:
		name = expression.Sel
	case *ast.IndexExpr:
		return isDeclared(expression.X, info)
	case *ast.IndexListExpr:
		return true
	}
	_, ok := info.Uses[name].(*types.Func)
	return ok
}

// room tells whether one more may be told about.
func (t *teller) room() bool {
	t.all++
	t.ofOne++
	return t.all <= most && t.ofOne <= mostOfOne
}

func all(results *types.Tuple) []types.Type {
	var all []types.Type
	for at := 0; at < results.Len(); at++ {
		all = append(all, results.At(at).Type())
	}
	return all
}

func (t *teller) number(word string) int {
	number, ok := t.numbers[word]
	if !ok {
		number = len(t.answer.Words)
		t.numbers[word] = number
		t.answer.Words = append(t.answer.Words, word)
	}
	return number
}

// link is one pointer, interface or function that is followed.
type link struct {
	followed     ast.Expr
	offset, size int64
	name         string
}

// An interface begins with a pointer to its table, in which the methods stand, sorted, behind three words.
const wordsBeforeMethods = 3

func (t *teller) links(expression ast.Expr, info *types.Info) []link {
	selector, ok := expression.(*ast.SelectorExpr)
	if !ok {
		return nil
	}
	selection := info.Selections[selector]
	if selection == nil {
		return nil
	}
	switch selection.Kind() {
	case types.FieldVal:
		return t.field(selector, selection)
	case types.MethodVal:
		if method, ok := t.method(selection); ok {
			return []link{{selector.X, method, t.sizes.Sizeof(types.Typ[types.Uintptr]), "method " + selector.Sel.Name}}
		}
	}
	return nil
}

// field is where a field lies behind the pointer that a selector follows. Behind an embedded pointer on the way to it
// nothing is told: what may be nil there stands nowhere in the source.
func (t *teller) field(selector *ast.SelectorExpr, selection *types.Selection) (found []link) {
	// What depends on a type parameter has no size, and who asks for it ends in a panic.
	defer func() {
		if recover() != nil {
			found = nil
		}
	}()
	pointer, ok := selection.Recv().Underlying().(*types.Pointer)
	if !ok {
		return nil
	}
	current, offset := pointer.Elem(), int64(0)
	for _, index := range selection.Index() {
		within, ok := current.Underlying().(*types.Struct)
		if !ok {
			break
		}
		var fields []*types.Var
		for at := 0; at < within.NumFields(); at++ {
			fields = append(fields, within.Field(at))
		}
		offset += t.sizes.Offsetsof(fields)[index]
		current = fields[index].Type()
	}
	return []link{{selector.X, offset, t.sizes.Sizeof(current), "field " + selector.Sel.Name}}
}

// method is where the table of an interface holds a method that is called.
func (t *teller) method(selection *types.Selection) (int64, bool) {
	table, ok := selection.Recv().Underlying().(*types.Interface)
	if !ok || len(selection.Index()) != 1 {
		return 0, false
	}
	var names []string
	for at := 0; at < table.NumMethods(); at++ {
		names = append(names, table.Method(at).Id())
	}
	sort.Strings(names)
	word := t.sizes.Sizeof(types.Typ[types.Uintptr])
	return word * int64(wordsBeforeMethods+sort.SearchStrings(names, selection.Obj().Id())), true
}
