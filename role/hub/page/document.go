package page

// Fact is one labelled value.
type Fact struct {
	Label, Value string
	Link         string // where the value leads; empty: nowhere
	Class        string // "good", "bad", "warn", "mono"; empty: plain
}

// Table is a table with a caption that screen readers say.
type Table struct {
	ID, Caption string
	Head        []Column
	Rows        [][]Cell
	CSV         string // address of the same in CSV; empty: none
	Empty       string // what is said instead of a table without rows
}

// Column is a heading.
type Column struct {
	Name   string
	Number bool // set flush right
}

// Cell is one value of a table.
type Cell struct {
	Text, Link, Class string
}

// Columns makes headings; a name that ends in "#" is of numbers.
func Columns(names ...string) []Column {
	out := make([]Column, len(names))
	for i, n := range names {
		if l := len(n); l > 0 && n[l-1] == '#' {
			out[i] = Column{n[:l-1], true}
		} else {
			out[i] = Column{Name: n}
		}
	}
	return out
}

// Text is a plain cell.
func Text(s string) Cell { return Cell{Text: s} }

// To is a cell that leads somewhere.
func To(text, link string) Cell { return Cell{Text: text, Link: link} }

// Of is a cell that leads to a person.
func Of(p Person) Cell { return Cell{Text: p.Name, Link: "/contributor/" + string(p.Account)} }

// class of a cell in a column.
func (t Table) class(i int, c Cell) string {
	if i < len(t.Head) && t.Head[i].Number {
		return "n " + c.Class
	}
	return c.Class
}
