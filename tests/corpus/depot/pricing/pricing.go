package pricing

type Table struct{ tiers []int }

func NewTable(t ...int) *Table { return &Table{tiers: t} }

//go:noinline
func (t *Table) Tier(n int) int { return t.tiers[n] }

//go:noinline
func (t *Table) Window(a, b int) []int { return t.tiers[a:b] }

//go:noinline
func Split(total, parts int) int { return total / parts }

//go:noinline
func Amount(v any) int { return v.(int) }
