package kernel

func (s *Set) row(k int, a, data []float32, at, next []int, step int, c []float32, add bool) {
	var begin int64
	if add {
		begin = 1
	}
	if len(at) == 4 {
		row4x32AVX512(int64(k), &a[0], &data[at[0]], &data[at[1]], &data[at[2]], &data[at[3]],
			&data[next[0]], &data[next[1]], &data[next[2]], &data[next[3]], int64(4*step), &c[0], begin)
	} else {
		row2x32AVX512(int64(k), &a[0], &data[at[0]], &data[at[1]], &data[next[0]], &data[next[1]], int64(4*step), &c[0], begin)
	}
}

func (s *Set) rowHalf(k int, a []float32, data []uint16, at, next []int, step int, c []float32, add bool) {
	var begin int64
	if add {
		begin = 1
	}
	if len(at) == 4 {
		rowHalf4x32AVX512(int64(k), &a[0], &data[at[0]], &data[at[1]], &data[at[2]], &data[at[3]],
			&data[next[0]], &data[next[1]], &data[next[2]], &data[next[3]], int64(2*step), &c[0], begin)
	} else {
		rowHalf2x32AVX512(int64(k), &a[0], &data[at[0]], &data[at[1]], &data[next[0]], &data[next[1]], int64(2*step), &c[0], begin)
	}
}

func widenBlocks(dst []float32, x []uint16) { widenAVX512(int64(len(x)/16), &dst[0], &x[0]) }

func smallBlocks(n int, x []float32, data []int8, scales []float32, offsets []int32) {
	smallAVX512(int64(n), &x[0], &data[0], &scales[0], &offsets[0])
}
