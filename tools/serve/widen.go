package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
)

// widen emits the conversion of n blocks of 16 numbers from 16 to 32 bits.
func (m machine) widen() {
	TEXT("widen"+m.name, NOSPLIT, "func(n int64, dst *float32, src *uint16)")
	Pragma("noescape")
	n, dst, src := pointer("n"), pointer("dst"), pointer("src")
	Label("loop")
	for at := 0; at < 16; at += m.lanes {
		v := m.reg()
		VCVTPH2PS(Mem{Base: src, Disp: 2 * at}, v)
		VMOVUPS(v, Mem{Base: dst, Disp: 4 * at})
	}
	ADDQ(Imm(32), src)
	ADDQ(Imm(64), dst)
	DECQ(n)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()
}
