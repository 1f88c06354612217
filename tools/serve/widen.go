package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
)

// widen emits the conversion of n blocks of 16 numbers from 16 to 32 bits.
func widen() {
	TEXT("widenAVX512", NOSPLIT, "func(n int64, dst *float32, src *uint16)")
	Pragma("noescape")
	n, dst, src := pointer("n"), pointer("dst"), pointer("src")
	v := ZMM()
	Label("loop")
	VCVTPH2PS(Mem{Base: src}, v)
	VMOVUPS(v, Mem{Base: dst})
	ADDQ(Imm(32), src)
	ADDQ(Imm(64), dst)
	DECQ(n)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()
}
