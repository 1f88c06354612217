package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

func floatConstant(name string, f float32) Mem { return constant(name, math.Float32bits(f)) }

// exp emits Exp of x, which it overwrites, and returns the result. low and high
// are the bounds of the argument; being the second operand of the comparison, x
// wins it when it is NaN.
func (m machine) exp(x, low, high reg.VecVirtual) reg.VecVirtual {
	VMAXPS(x, low, x)
	VMINPS(x, high, x)
	t, n, p := m.reg(), m.reg(), m.reg()
	log2E, magic := floatConstant("log2E", 1.44269504), floatConstant("magic", 0x1.8p23)
	if free {
		VMOVUPS(magic, t)
		VFMADD231PS(log2E, x, t)
	} else {
		VMULPS(log2E, x, t)
		VADDPS(magic, t, t)
	}
	VSUBPS(magic, t, n)
	subProduct(floatConstant("ln2High", 0.693359375), n, x, p)
	subProduct(floatConstant("ln2Low", -2.12194440e-4), n, x, p)
	if free {
		VMOVUPS(floatConstant("expP0", 1.9875691500e-4), p)
		timesPlus(p, x, floatConstant("expP1", 1.3981999507e-3))
	} else {
		VMULPS(floatConstant("expP0", 1.9875691500e-4), x, p)
		VADDPS(floatConstant("expP1", 1.3981999507e-3), p, p)
	}
	timesPlus(p, x, floatConstant("expP2", 8.3334519073e-3))
	timesPlus(p, x, floatConstant("expP3", 4.1665795894e-2))
	timesPlus(p, x, floatConstant("expP4", 1.6666665459e-1))
	timesPlus(p, x, floatConstant("expP5", 5.0000001201e-1))
	VMULPS(x, p, p)
	VMULPS(x, p, p)
	VADDPS(x, p, p)
	VADDPS(floatConstant("one", 1), p, p)
	VPADDD(constant("expBias", 127), t, t)
	VPSLLD(Imm(23), t, t)
	VMULPS(t, p, p)
	return p
}

func (m machine) expBounds() (low, high reg.VecVirtual) {
	low, high = m.reg(), m.reg()
	VMOVUPS(floatConstant("expLow", -88), low)
	VMOVUPS(floatConstant("expHigh", 88.37), high)
	return low, high
}

func (m machine) vectors() {
	m.reductions()
	m.elementwise()
	m.activations()
	m.rotate()
	m.adamW()
}

func (m machine) at(p reg.Register, half int) Mem { return Mem{Base: p, Disp: 4 * half * m.width()} }

func (m machine) reductions() {
	m.start("max", "func(n int64, x, lanes *float32)")
	n, x, out := pointer("n"), pointer("x"), pointer("lanes")
	m.reduceInOrder(n, out, []reg.Register{x}, func(h int, acc reg.VecVirtual) {
		VMAXPS(m.at(x, h), acc, acc)
	})
	end()

	m.start("expSum", "func(n int64, x *float32, scale, top float32, lanes *float32)")
	n, x, out = pointer("n"), pointer("x"), pointer("lanes")
	scale, top := m.spread("scale"), m.spread("top")
	low, high := m.expBounds()
	m.reduce(n, out, []reg.Register{x}, func(h int, acc reg.VecVirtual) {
		v := m.reg()
		VMULPS(m.at(x, h), scale, v)
		VSUBPS(top, v, v)
		e := m.exp(v, low, high)
		VMOVUPS(e, m.at(x, h))
		VADDPS(e, acc, acc)
	})
	end()

	m.start("dot", "func(n int64, x, y, lanes *float32)")
	n, x, y, out := pointer("n"), pointer("x"), pointer("y"), pointer("lanes")
	m.reduce(n, out, []reg.Register{x, y}, func(h int, acc reg.VecVirtual) {
		v := m.reg()
		VMOVUPS(m.at(x, h), v)
		addProduct(m.at(y, h), v, acc, v)
	})
	end()

	m.start("dot3", "func(n int64, x, y, z, lanes *float32)")
	n, x, y, z, out := pointer("n"), pointer("x"), pointer("y"), pointer("z"), pointer("lanes")
	m.reduce(n, out, []reg.Register{x, y, z}, func(h int, acc reg.VecVirtual) {
		v := m.reg()
		VMOVUPS(m.at(x, h), v)
		VMULPS(m.at(y, h), v, v)
		addProduct(m.at(z, h), v, acc, v)
	})
	end()
}

func (m machine) elementwise() {
	m.start("scale", "func(n int64, x *float32, a float32)")
	n, x, a := pointer("n"), pointer("x"), m.spread("a")
	m.loop(n, []reg.Register{x}, func() {
		v := m.reg()
		VMULPS(Mem{Base: x}, a, v)
		VMOVUPS(v, Mem{Base: x})
	})
	end()

	m.start("combine", "func(n int64, dst *float32, a float32, x *float32, b float32, y *float32)")
	n, dst, x, y := pointer("n"), pointer("dst"), pointer("x"), pointer("y")
	a, b := m.spread("a"), m.spread("b")
	m.loop(n, []reg.Register{dst, x, y}, func() {
		v, u := m.reg(), m.reg()
		VMULPS(Mem{Base: x}, a, v)
		addProduct(Mem{Base: y}, b, v, u)
		VMOVUPS(v, Mem{Base: dst})
	})
	end()

	m.start("scaleBy", "func(n int64, dst, x, w *float32, a float32)")
	n, dst, x = pointer("n"), pointer("dst"), pointer("x")
	w := pointer("w")
	a = m.spread("a")
	m.loop(n, []reg.Register{dst, x, w}, func() {
		v := m.reg()
		VMULPS(Mem{Base: x}, a, v)
		VMULPS(Mem{Base: w}, v, v)
		VMOVUPS(v, Mem{Base: dst})
	})
	end()

	m.start("normGrad", "func(n int64, dx, dy, x, w *float32, r, s float32)")
	n, dx, dy := pointer("n"), pointer("dx"), pointer("dy")
	x, w = pointer("x"), pointer("w")
	r, s := m.spread("r"), m.spread("s")
	m.loop(n, []reg.Register{dx, dy, x, w}, func() {
		v, u := m.reg(), m.reg()
		VMOVUPS(Mem{Base: dy}, v)
		VMULPS(Mem{Base: w}, v, v)
		VMULPS(r, v, v)
		VADDPS(Mem{Base: dx}, v, v)
		subProduct(Mem{Base: x}, s, v, u)
		VMOVUPS(v, Mem{Base: dx})
	})
	end()

	m.start("addProduct", "func(n int64, dst, x, y *float32, a float32)")
	n, dst, x, y = pointer("n"), pointer("dst"), pointer("x"), pointer("y")
	a = m.spread("a")
	m.loop(n, []reg.Register{dst, x, y}, func() {
		v := m.reg()
		VMOVUPS(Mem{Base: x}, v)
		VMULPS(Mem{Base: y}, v, v)
		VMULPS(a, v, v)
		VADDPS(Mem{Base: dst}, v, v)
		VMOVUPS(v, Mem{Base: dst})
	})
	end()

	m.start("softmaxGrad", "func(n int64, d, p *float32, s, scale float32)")
	n, d, p := pointer("n"), pointer("d"), pointer("p")
	s, scale := m.spread("s"), m.spread("scale")
	m.loop(n, []reg.Register{d, p}, func() {
		v := m.reg()
		VMOVUPS(Mem{Base: d}, v)
		VSUBPS(s, v, v)
		VMULPS(Mem{Base: p}, v, v)
		VMULPS(scale, v, v)
		VMOVUPS(v, Mem{Base: d})
	})
	end()
}

// sigmoid emits 1/(1+exp(-g)).
func (m machine) sigmoid(g, one, low, high reg.VecVirtual) reg.VecVirtual {
	v := m.reg()
	m.zero(v)
	VSUBPS(g, v, v)
	e := m.exp(v, low, high)
	VADDPS(one, e, e)
	m.divide(e, one, e)
	return e
}

func (m machine) activations() {
	m.start("swiGLU", "func(n int64, dst, gate, up *float32)")
	n, dst, gate, up := pointer("n"), pointer("dst"), pointer("gate"), pointer("up")
	low, high := m.expBounds()
	one := m.reg()
	VMOVUPS(floatConstant("one", 1), one)
	m.loop(n, []reg.Register{dst, gate, up}, func() {
		g := m.reg()
		VMOVUPS(Mem{Base: gate}, g)
		s := m.sigmoid(g, one, low, high)
		VMULPS(s, g, s)
		VMULPS(Mem{Base: up}, s, s)
		VMOVUPS(s, Mem{Base: dst})
	})
	end()

	m.start("swiGLUGrad", "func(n int64, dgate, dup, d, gate, up *float32)")
	n, dgate, dup, d := pointer("n"), pointer("dgate"), pointer("dup"), pointer("d")
	gate, up = pointer("gate"), pointer("up")
	low, high = m.expBounds()
	one = m.reg()
	VMOVUPS(floatConstant("one", 1), one)
	m.loop(n, []reg.Register{dgate, dup, d, gate, up}, func() {
		g := m.reg()
		VMOVUPS(Mem{Base: gate}, g)
		s := m.sigmoid(g, one, low, high)
		dv, t, slope := m.reg(), m.reg(), m.reg()
		VMOVUPS(Mem{Base: d}, dv)
		VMULPS(s, g, t)
		VMULPS(t, dv, t)
		VSUBPS(s, one, slope)
		VMULPS(slope, g, slope)
		VADDPS(slope, one, slope)
		VMULPS(Mem{Base: up}, dv, dv)
		VMULPS(s, dv, dv)
		VMULPS(slope, dv, dv)
		VMOVUPS(t, Mem{Base: dup})
		VMOVUPS(dv, Mem{Base: dgate})
	})
	end()
}

func (m machine) rotate() {
	m.start("rotate", "func(n int64, lo, hi, c, s *float32)")
	n, lo, hi := pointer("n"), pointer("lo"), pointer("hi")
	c, s := pointer("c"), pointer("s")
	m.loop(n, []reg.Register{lo, hi, c, s}, func() {
		a, b, cv, sv, t, u := m.reg(), m.reg(), m.reg(), m.reg(), m.reg(), m.reg()
		VMOVUPS(Mem{Base: lo}, a)
		VMOVUPS(Mem{Base: hi}, b)
		VMOVUPS(Mem{Base: c}, cv)
		VMOVUPS(Mem{Base: s}, sv)
		VMULPS(cv, a, t)
		subProduct(sv, b, t, u)
		VMOVUPS(t, Mem{Base: lo})
		VMULPS(cv, b, t)
		addProduct(sv, a, t, u)
		VMOVUPS(t, Mem{Base: hi})
	})
	end()
}

// adamW reads its settings from a struct of float32 in the order of AdamW's fields.
func (m machine) adamW() {
	m.start("adamW", "func(n int64, w, grad, m, v, settings *float32)")
	n, w, g := pointer("n"), pointer("w"), pointer("grad")
	mp, vp, o := pointer("m"), pointer("v"), pointer("settings")
	setting := func(i int) reg.VecVirtual {
		r := m.reg()
		VBROADCASTSS(Mem{Base: o, Disp: 4 * i}, r)
		return r
	}
	m.loop(n, []reg.Register{w, g, mp, vp}, func() {
		gi, mi, vi, t := m.reg(), m.reg(), m.reg(), m.reg()
		VMULPS(Mem{Base: g}, setting(0), gi)
		VMULPS(Mem{Base: mp}, setting(1), mi)
		addProduct(setting(2), gi, mi, t)
		VMULPS(Mem{Base: vp}, setting(3), vi)
		VMULPS(gi, gi, t)
		addProduct(setting(4), t, vi, t)
		VMOVUPS(mi, Mem{Base: mp})
		VMOVUPS(vi, Mem{Base: vp})
		VMULPS(setting(6), vi, vi)
		VSQRTPS(vi, vi)
		VADDPS(setting(7), vi, vi)
		VMULPS(setting(5), mi, mi)
		m.divide(vi, mi, mi)
		x := m.reg()
		VMOVUPS(Mem{Base: w}, x)
		addProduct(setting(8), x, mi, t)
		subProduct(setting(9), mi, x, mi)
		VMOVUPS(x, Mem{Base: w})
	})
	end()
}
