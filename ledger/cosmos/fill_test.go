package cosmos_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
)

// fill gives every field of a struct a value; equal seeds give equal values.
// Slices get two elements.
func fill(v any, seed uint64) { fillValue(reflect.ValueOf(v).Elem(), rand.New(rand.NewPCG(seed, 1))) }

func fillValue(v reflect.Value, r *rand.Rand) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fillValue(v.Field(i), r)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fillValue(v.Index(i), r)
		}
	case reflect.Array:
		for i := range v.Len() {
			fillValue(v.Index(i), r)
		}
	case reflect.String:
		v.SetString(fmt.Sprintf("text-%d", r.Uint32()))
	case reflect.Bool:
		v.SetBool(true)
	default:
		if v.CanUint() {
			v.SetUint(1 + r.Uint64()>>(64-v.Type().Bits()+1))
		} else {
			v.SetInt(-1 - int64(r.Uint64()>>(64-v.Type().Bits()+1)))
		}
	}
}
