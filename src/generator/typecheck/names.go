package main

import (
	"go/ast"
	"go/types"
	"strings"
)

// imported holds the names by which a file knows other packages, where it gives or needs none; by import path.
func imported(file *ast.File) map[string]string {
	names := map[string]string{}
	for _, one := range file.Imports {
		path := strings.Trim(one.Path.Value, "\"`")
		if one.Name != nil {
			names[path] = one.Name.Name
		} else {
			names[path] = ""
		}
	}
	return names
}

// spelled is a type as the file would write it; not ok where it has no name for a part of it.
func spelled(one types.Type, own *types.Package, names map[string]string) (text string, ok bool) {
	ok = true
	text = types.TypeString(one, func(p *types.Package) string {
		if p == own {
			return ""
		}
		name, here := names[p.Path()]
		switch {
		case !here || name == "_" || name == ".":
			ok = false
		case name == "":
			return p.Name()
		}
		return name
	})
	return text, ok && !strings.Contains(text, "invalid type")
}

// sharedNames are the names of types that are declared within functions, where others of the package have them as well:
// by such a name alone nobody knows which is meant. Type parameters may share theirs with each other.
func sharedNames(own *types.Package, info *types.Info) map[string]bool {
	inFunctions := map[string]int{}
	shared := map[string]bool{}
	for _, object := range info.Defs {
		name, ok := object.(*types.TypeName)
		if !ok || name.Parent() == own.Scope() {
			continue
		}
		if own.Scope().Lookup(name.Name()) != nil {
			shared[name.Name()] = true
		}
		if _, ok := name.Type().(*types.TypeParam); !ok {
			inFunctions[name.Name()]++
		}
	}
	for name, count := range inFunctions {
		if count > 1 {
			shared[name] = true
		}
	}
	return shared
}

// isMistakable tells whether a type is made of one declared within a function whose name others have as well.
func isMistakable(one types.Type, c *checked, known map[types.Type]bool) bool {
	if len(c.shared) == 0 || one == nil || known[one] {
		return false
	}
	known[one] = true
	is := func(part types.Type) bool { return isMistakable(part, c, known) }
	switch one := one.(type) {
	case *types.Pointer:
		return is(one.Elem())
	case *types.Slice:
		return is(one.Elem())
	case *types.Array:
		return is(one.Elem())
	case *types.Chan:
		return is(one.Elem())
	case *types.Map:
		return is(one.Key()) || is(one.Elem())
	case *types.Signature:
		return is(one.Params()) || is(one.Results())
	case *types.Tuple:
		for at := 0; at < one.Len(); at++ {
			if is(one.At(at).Type()) {
				return true
			}
		}
	case *types.Named:
		for at := 0; at < one.TypeArgs().Len(); at++ {
			if is(one.TypeArgs().At(at)) {
				return true
			}
		}
		return c.isShared(one.Obj())
	case *types.TypeParam:
		return c.isShared(one.Obj())
	}
	return false
}

func (c *checked) isShared(name *types.TypeName) bool {
	return name.Pkg() == c.own && name.Parent() != c.own.Scope() && c.shared[name.Name()]
}
