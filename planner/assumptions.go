package planner

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/crescendo-network/crescendo"
)

// Assumption is one input of a plan: what it is, where its default comes from,
// and between what bounds somebody may put another.
type Assumption struct {
	Name    string
	Value   float64
	Unit    string
	Default float64
	Min     float64
	Max     float64
	Whole   bool     // only whole numbers
	Choices []string // Value is an index into these
	Meaning string
	Source  string
}

// Changed reports whether the value is not the default.
func (a Assumption) Changed() bool { return a.Value != a.Default }

// Text is the value as it can be given back to Set.
func (a Assumption) Text() string {
	if len(a.Choices) > 0 {
		return a.Choices[int(a.Value)]
	}
	return strconv.FormatFloat(a.Value, 'f', -1, 64)
}

// Range says what may be given.
func (a Assumption) Range() string {
	if len(a.Choices) > 0 {
		return "one of " + strings.Join(a.Choices, ", ")
	}
	text := strconv.FormatFloat(a.Min, 'f', -1, 64) + " to " + strconv.FormatFloat(a.Max, 'f', -1, 64)
	if a.Whole {
		text += ", whole"
	}
	if a.Unit != "" {
		text += " (" + a.Unit + ")"
	}
	return text
}

// Assumptions is all inputs, in the order they are shown.
type Assumptions []Assumption

// Defaults returns the inputs nobody has changed.
func Defaults() Assumptions {
	all := Assumptions{{
		Name: "gpu", Choices: gpuNames(), Meaning: "GPU that sites are made of",
		Source: "what most training reports count in",
	}}
	all = append(all, general...)
	for _, g := range gpus {
		all = append(all, g.assumptions()...)
	}
	for i := range all {
		a := &all[i]
		if len(a.Choices) > 0 {
			a.Default, a.Max, a.Whole = float64(slices.Index(a.Choices, "h100")), float64(len(a.Choices)-1), true
		}
		a.Value = a.Default
	}
	return all
}

// Parse returns the defaults with some overridden. A key that is no name, or a
// value out of bounds, is an error that names it.
func Parse(overrides map[string]string) (Assumptions, error) {
	all := Defaults()
	names := make([]string, 0, len(overrides))
	for name := range overrides {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if err := all.Set(name, overrides[name]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// Set overrides one assumption.
func (all Assumptions) Set(name, text string) error {
	i := slices.IndexFunc(all, func(a Assumption) bool { return a.Name == name })
	if i < 0 {
		return crescendo.Errorf(crescendo.CodeInvalid, "assumption %.60q: there is none of that name", name).WithHint(all.nearest(name))
	}
	a := &all[i]
	text = strings.TrimSpace(text)
	v := math.NaN()
	if len(a.Choices) > 0 {
		if k := slices.Index(a.Choices, strings.ToLower(text)); k >= 0 {
			v = float64(k)
		}
	} else if f, err := strconv.ParseFloat(text, 64); err == nil && len(text) <= 30 {
		v = f
	}
	if !(v >= a.Min && v <= a.Max) || a.Whole && v != math.Trunc(v) {
		return crescendo.Errorf(crescendo.CodeInvalid, "assumption %s: %.40q cannot be used", name, text).WithHint("want " + a.Range())
	}
	a.Value = v
	return nil
}

// nearest suggests the name that was meant: the one that shares the longest
// beginning, or contains what was written.
func (all Assumptions) nearest(name string) string {
	best, length := "", 2
	for _, a := range all {
		n := 0
		for n < len(name) && n < len(a.Name) && name[n] == a.Name[n] {
			n++
		}
		if n > length {
			best, length = a.Name, n
		}
	}
	if best == "" {
		return "see them all with: crescendo program plan FILE --assumptions"
	}
	return "did you mean " + best + "?"
}

// Changed returns the assumptions that somebody has overridden.
func (all Assumptions) Changed() Assumptions {
	var changed Assumptions
	for _, a := range all {
		if a.Changed() {
			changed = append(changed, a)
		}
	}
	return changed
}

// Overrides is what Parse turns into these assumptions again.
func (all Assumptions) Overrides() map[string]string {
	m := map[string]string{}
	for _, a := range all.Changed() {
		m[a.Name] = a.Text()
	}
	return m
}

// of returns a value; the names are this package's own.
func (all Assumptions) of(name string) float64 {
	for _, a := range all {
		if a.Name == name {
			return a.Value
		}
	}
	panic("planner: no assumption " + name)
}

// check refuses a list that did not come from Defaults or Parse.
func (all Assumptions) check() error {
	want := Defaults()
	if len(all) != len(want) {
		return crescendo.Errorf(crescendo.CodeInvalid, "plan: %d assumptions, want %d", len(all), len(want))
	}
	for i, a := range all {
		if a.Name != want[i].Name || !(a.Value >= want[i].Min && a.Value <= want[i].Max) {
			return crescendo.Errorf(crescendo.CodeInvalid, "plan: assumption %d is %s = %g", i, a.Name, a.Value)
		}
	}
	return nil
}
