package pipeline

// WireBits is what one all-reduced parameter costs on a site's link in the
// published table of arXiv 2501.18512, which states neither the precision nor
// the cost of its all-reduce. It is read off one row of that table
// (data-parallel, 1B) and predicts the other fourteen; bfloat16 sent once
// would be 16.
const WireBits = 13.4

// DataParallel exchanges every gradient in every step.
func DataParallel(bits float64) Method { return Method{Name: "data-parallel", Every: 1, Bits: bits} }

// DiLoCo exchanges the whole model every so many steps (arXiv 2311.08105).
func DiLoCo(every int, bits float64) Method {
	return Method{Name: "DiLoCo", Every: every, Bits: bits}
}

// Streaming exchanges a fragment of three layers at a time (arXiv
// 2501.18512); with an overlap, sites go on meanwhile.
func Streaming(every, overlap int, bits float64) Method {
	name := "Streaming DiLoCo"
	if overlap > 0 {
		name += ", overlapped"
	}
	return Method{Name: name, Every: every, Fragment: 3, Overlap: overlap, Bits: bits}
}
