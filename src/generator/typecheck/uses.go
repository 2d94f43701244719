package main

import (
	"go/ast"
	"go/types"
	"sort"
	"strings"
)

// How many uses of functions are told of a package at most, and how many in all. Of a package with more none is told:
// of a part nobody could say what the others do.
const (
	mostUsesOfOne = 50_000
	mostUses      = 150_000
)

// users knows who may call the methods of the packages that were checked, by which interface.
type users struct {
	// Whether a package is one of the modules that are worked on.
	own map[string]bool
	// The methods of interfaces, by the name of the method that may be behind them.
	through map[string][]string
	// Those methods.
	asked map[string]bool
}

// usersOf looks at all types that the packages declare, and at all interfaces that their expressions can be taken for.
//
// One package is seen twice, by itself and by others that read what the compiler left of it: types of the two are
// never the same, and are compared by what they are called.
func usersOf(all []*checked, own map[string]bool) *users {
	u := &users{own: own, through: map[string][]string{}, asked: map[string]bool{}}
	seen := &interfaces{depths: map[types.Type]int{}, found: map[*types.Interface]bool{}}
	var sets []methodSet
	for _, c := range all {
		for _, value := range c.info.Types {
			seen.walk(value.Type, 0)
		}
		for _, object := range c.info.Defs {
			if object == nil {
				continue
			}
			seen.walk(object.Type(), 0)
			if name, ok := object.(*types.TypeName); ok {
				sets = append(sets, methodsOf(name)...)
			}
		}
	}
	behind := map[string][]methodSet{}
	for _, set := range sets {
		for id := range set.written {
			behind[id] = append(behind[id], set)
		}
	}
	pairs := map[[2]string]bool{}
	for one := range seen.found {
		for _, set := range behind[one.Method(0).Id()] {
			if !set.satisfies(one) {
				continue
			}
			for at := 0; at < one.NumMethods(); at++ {
				method := one.Method(at)
				pairs[[2]string{set.names[method.Id()], nameOf(method)}] = true
			}
		}
	}
	for pair := range pairs {
		u.through[pair[0]] = append(u.through[pair[0]], pair[1])
		u.asked[pair[1]] = true
	}
	for _, names := range u.through {
		sort.Strings(names)
	}
	return u
}

// interfaces gathers those that values may be taken for: types of expressions, and what these are made of.
type interfaces struct {
	// How far from an expression each type was met.
	depths map[types.Type]int
	found  map[*types.Interface]bool
}

func (s *interfaces) walk(one types.Type, depth int) {
	// The fields of structs that are behind names are as far as values get without an expression of their own.
	const deepest = 1
	// A type that is made of itself, which does not compile, never ends.
	const furthest = 30
	if known, ok := s.depths[one]; one == nil || ok && known <= depth || depth > furthest {
		return
	}
	s.depths[one] = depth
	switch one := one.(type) {
	case *types.Basic:
	case *types.Interface:
		if one.IsMethodSet() && one.NumMethods() > 0 {
			s.found[one] = true
		}
	case *types.Pointer:
		s.walk(one.Elem(), depth)
	case *types.Slice:
		s.walk(one.Elem(), depth)
	case *types.Array:
		s.walk(one.Elem(), depth)
	case *types.Chan:
		s.walk(one.Elem(), depth)
	case *types.Map:
		s.walk(one.Key(), depth)
		s.walk(one.Elem(), depth)
	case *types.Tuple:
		for at := 0; at < one.Len(); at++ {
			s.walk(one.At(at).Type(), depth)
		}
	case *types.Signature:
		s.walk(one.Params(), depth)
		s.walk(one.Results(), depth)
	case *types.Struct:
		for at := 0; at < one.NumFields(); at++ {
			s.walk(one.Field(at).Type(), depth)
		}
	case *types.TypeParam:
		s.walk(one.Constraint(), depth)
	default:
		// A name: how the type behind it is made counts for what is close.
		under := one.Underlying()
		if _, ok := under.(*types.Struct); ok && depth >= deepest {
			return
		}
		s.walk(under, depth+1)
	}
}

// methodSet is what can be called on a type, by the methods' ids.
type methodSet struct {
	// The methods' types as they are written; empty ones fit every other.
	written map[string]string
	// The methods that are declared, which others may be promoted from.
	names map[string]string
}

// methodsOf is what can be called on a declared type's values and on pointers to them: nothing for interfaces.
func methodsOf(name *types.TypeName) []methodSet {
	if _, ok := name.Type().(*types.TypeParam); ok || types.IsInterface(name.Type()) {
		return nil
	}
	// With type parameters a method is written otherwise wherever it is used.
	named, ok := name.Type().(*types.Named)
	generic := ok && named.TypeParams().Len() > 0
	all := types.NewMethodSet(types.NewPointer(name.Type()))
	if all.Len() == 0 {
		return nil
	}
	set := methodSet{written: map[string]string{}, names: map[string]string{}}
	for at := 0; at < all.Len(); at++ {
		method, ok := all.At(at).Obj().(*types.Func)
		if !ok {
			continue
		}
		text := ""
		if signature, ok := all.At(at).Type().(*types.Signature); ok && !generic {
			text = written(signature)
		}
		set.written[method.Id()], set.names[method.Id()] = text, nameOf(method)
	}
	return []methodSet{set}
}

func (set methodSet) satisfies(one *types.Interface) bool {
	for at := 0; at < one.NumMethods(); at++ {
		method := one.Method(at)
		text, ok := set.written[method.Id()]
		signature, _ := method.Type().(*types.Signature)
		if !ok || signature == nil || text != "" && text != written(signature) {
			return false
		}
	}
	return true
}

// written is the type of a method with its packages' paths, and without the names of what it takes and gives.
func written(signature *types.Signature) string {
	var text strings.Builder
	for _, part := range []*types.Tuple{signature.Params(), signature.Results()} {
		for at := 0; at < part.Len(); at++ {
			text.WriteString(types.TypeString(part.At(at).Type(), nil))
			text.WriteString(",")
		}
		text.WriteString(";")
	}
	if signature.Variadic() {
		text.WriteString("...")
	}
	return text.String()
}

// nameOf is the path of a function's package, and its name as traces print it: `a/b F`, `a/b T.M`, `a/b (*T).M`.
func nameOf(function *types.Func) string {
	path, name := "", function.Name()
	if p := function.Pkg(); p != nil {
		path = p.Path()
	}
	signature, ok := function.Type().(*types.Signature)
	if !ok || signature.Recv() == nil {
		return path + " " + name
	}
	receiver := signature.Recv().Type()
	if pointer, ok := receiver.(*types.Pointer); ok {
		return path + " (*" + typeName(pointer.Elem()) + ")." + name
	}
	return path + " " + typeName(receiver) + "." + name
}

func typeName(one types.Type) string {
	if named, ok := one.(interface{ Obj() *types.TypeName }); ok {
		return named.Obj().Name()
	}
	return "interface"
}

// uses are the places of a file that name a function of the modules, or a method of an interface behind which one may
// be: place, place of the call or twice 0, and who it is. Not ok where it may name others, too.
func (t *teller) uses(file *ast.File, c *checked, u *users) [][]int {
	whole := t.fset.File(file.Pos())
	place := func(node ast.Node) []int { return []int{whole.Offset(node.Pos()), whole.Offset(node.End())} }
	calls := map[*ast.Ident]ast.Node{}
	found := [][]int{}
	ast.Inspect(file, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.CallExpr:
			if name := called(node.Fun, c.info); name != nil {
				calls[name] = node
			}
		case *ast.Ident:
			function, ok := c.info.Uses[node].(*types.Func)
			if !ok {
				break
			}
			name := nameOf(function.Origin())
			if !u.asked[name] && (function.Pkg() == nil || !u.own[function.Pkg().Path()]) {
				break
			}
			use := append(place(node), 0, 0)
			if call := calls[node]; call != nil {
				use = append(place(node), place(call)...)
			}
			found = append(found, append(use, t.number(name)))
		}
		return true
	})
	return found
}

// called is the name in what is called. A method that is called as a function takes its receiver first: no call of it.
func called(function ast.Expr, info *types.Info) *ast.Ident {
	switch function := function.(type) {
	case *ast.ParenExpr:
		return called(function.X, info)
	case *ast.IndexExpr:
		return called(function.X, info)
	case *ast.IndexListExpr:
		return called(function.X, info)
	case *ast.Ident:
		return function
	case *ast.SelectorExpr:
		if selection := info.Selections[function]; selection == nil || selection.Kind() == types.MethodVal {
			return function.Sel
		}
	}
	return nil
}

// functions are those that a file declares: where each begins, who it is, and the methods of interfaces by which it
// may be called.
func (t *teller) functions(file *ast.File, c *checked, u *users) [][]int {
	whole := t.fset.File(file.Pos())
	declared := [][]int{}
	for _, one := range file.Decls {
		function, ok := one.(*ast.FuncDecl)
		if !ok {
			continue
		}
		object, ok := c.info.Defs[function.Name].(*types.Func)
		if !ok {
			continue
		}
		name := nameOf(object)
		told := []int{whole.Offset(function.Pos()), t.number(name)}
		for _, method := range u.through[name] {
			told = append(told, t.number(method))
		}
		declared = append(declared, told)
	}
	return declared
}
