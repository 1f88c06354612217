package page

// Document is the content of an Article.
type Document struct {
	Crumbs         []Cell // beside the programme
	Title, Lead    string
	Facts          []Fact
	Sections       []Section
	Claim, Command string // how to check what the page says; may be empty
}

// Section is one box of a Document.
type Section struct {
	ID, Title, Note string
	Text            []Paragraph
	Facts           []Fact
	Table           *Table
	News            []News
	Code            string
	Terms           []Term
}

// Paragraph is a sentence or two, and perhaps where they lead.
type Paragraph struct{ Text, Link, Name, Class string }

// Term is a word and what it means.
type Term struct {
	ID, Word, Meaning string
}

func (d Document) crumbs() []Cell { return append([]Cell{To("Programme", "/")}, d.Crumbs...) }
