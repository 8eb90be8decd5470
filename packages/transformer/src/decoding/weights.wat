;; What a choice of a token computes of every word, over float32 logits in blocks of 256 that are filled up with -inf. `weights.ts` is its only user;
;; scripts/weights.mjs compiles it to `weights-module.ts`.
;;
;; e^-x is computed as `expNegative` computes it, to the same bits: 2^(-j / 64) from the table at 0, times a polynomial of the rest, and 0 beyond 44.
;; 2^52 added to a whole number leaves it in the low bits.
(module
  (import "host" "memory" (memory 1))

  ;; The largest of each block, to $maxima, and of all: NaN where one is NaN. pmax passes over NaN, which is looked for beside it.
  (func (export "largest") (param $x i32) (param $bytes i32) (param $maxima i32) (result f32)
    (local $end i32) (local $block i32) (local $a v128) (local $b v128) (local $p v128) (local $q v128) (local $bad v128) (local $all f32) (local $one f32)
    (local.set $end (i32.add (local.get $x) (local.get $bytes)))
    (local.set $all (f32.const -inf))
    (loop $blocks
      (local.set $block (i32.add (local.get $x) (i32.const 1024)))
      (local.set $p (v128.const f32x4 -inf -inf -inf -inf))
      (local.set $q (local.get $p))
      (loop $words
        (local.set $a (v128.load (local.get $x)))
        (local.set $b (v128.load offset=16 (local.get $x)))
        (local.set $p (f32x4.pmax (local.get $p) (local.get $a)))
        (local.set $q (f32x4.pmax (local.get $q) (local.get $b)))
        (local.set $bad (v128.or (local.get $bad)
          (v128.or (f32x4.ne (local.get $a) (local.get $a)) (f32x4.ne (local.get $b) (local.get $b)))))
        (local.set $x (i32.add (local.get $x) (i32.const 32)))
        (br_if $words (i32.lt_u (local.get $x) (local.get $block))))
      (local.set $p (f32x4.pmax (local.get $p) (local.get $q)))
      (local.set $one
        (f32.max
          (f32.max (f32x4.extract_lane 0 (local.get $p)) (f32x4.extract_lane 1 (local.get $p)))
          (f32.max (f32x4.extract_lane 2 (local.get $p)) (f32x4.extract_lane 3 (local.get $p)))))
      (f32.store (local.get $maxima) (local.get $one))
      (local.set $maxima (i32.add (local.get $maxima) (i32.const 4)))
      (local.set $all (f32.max (local.get $all) (local.get $one)))
      (br_if $blocks (i32.lt_u (local.get $x) (local.get $end))))
    (select (f32.const nan) (local.get $all) (v128.any_true (local.get $bad))))

  ;; e^-((largest - x) * inverse) of every word: the sum of each block to $sums, and the sum of all.
  (func (export "weigh") (param $x i32) (param $bytes i32) (param $sums i32) (param $largest f64) (param $inverse f64) (result f64)
    (local $end i32) (local $block i32) (local $depth v128) (local $d v128) (local $j v128) (local $bits v128) (local $r v128) (local $sum v128)
    (local $top v128) (local $factor v128) (local $one f64) (local $all f64)
    (local.set $end (i32.add (local.get $x) (local.get $bytes)))
    (local.set $top (f64x2.splat (local.get $largest)))
    (local.set $factor (f64x2.splat (local.get $inverse)))
    (loop $blocks
      (local.set $block (i32.add (local.get $x) (i32.const 1024)))
      (local.set $sum (v128.const f64x2 0 0))
      (loop $words
        (local.set $depth
          (f64x2.mul (local.get $factor) (f64x2.sub (local.get $top) (f64x2.promote_low_f32x4 (v128.load64_zero (local.get $x))))))
        (local.set $d (f64x2.pmin (v128.const f64x2 44 44) (local.get $depth)))
        (local.set $j (f64x2.trunc (f64x2.mul (local.get $d) (v128.const f64x2 92.33248261689366 92.33248261689366))))
        (local.set $bits (f64x2.add (local.get $j) (v128.const f64x2 4503599627370496 4503599627370496)))
        (local.set $r
          (f64x2.sub (f64x2.mul (local.get $j) (v128.const f64x2 0.010830424696249145 0.010830424696249145)) (local.get $d)))
        (local.set $sum (f64x2.add (local.get $sum)
          (v128.and
            (f64x2.le (local.get $depth) (v128.const f64x2 44 44))
            (f64x2.mul
              (v128.load64_lane 1
                (i32.shl (i32x4.extract_lane 2 (local.get $bits)) (i32.const 3))
                (v128.load64_zero (i32.shl (i32x4.extract_lane 0 (local.get $bits)) (i32.const 3))))
              (f64x2.add (v128.const f64x2 1 1) (f64x2.mul (local.get $r)
                (f64x2.add (v128.const f64x2 1 1) (f64x2.mul (local.get $r)
                  (f64x2.add (v128.const f64x2 0.5 0.5) (f64x2.mul (local.get $r)
                    (f64x2.add (v128.const f64x2 0.16666666666666666 0.16666666666666666) (f64x2.mul (local.get $r)
                      (v128.const f64x2 0.041666666666666664 0.041666666666666664)))))))))))))
        (local.set $x (i32.add (local.get $x) (i32.const 8)))
        (br_if $words (i32.lt_u (local.get $x) (local.get $block))))
      (local.set $one (f64.add (f64x2.extract_lane 0 (local.get $sum)) (f64x2.extract_lane 1 (local.get $sum))))
      (f64.store (local.get $sums) (local.get $one))
      (local.set $sums (i32.add (local.get $sums) (i32.const 8)))
      (local.set $all (f64.add (local.get $all) (local.get $one)))
      (br_if $blocks (i32.lt_u (local.get $x) (local.get $end))))
    (local.get $all))

  ;; The same of the words that are not below $smallest, added up by how deep they are below the largest: in 720 buckets at $mass, sixteen a unit,
  ;; of which the last takes the rest.
  (func (export "weighByDepth")
    (param $x i32) (param $bytes i32) (param $mass i32) (param $largest f64) (param $inverse f64) (param $smallest f32) (result f64)
    (local $end i32) (local $depth f64) (local $j f64) (local $r f64) (local $weight f64) (local $all f64) (local $bucket i32) (local $word f32)
    (local.set $end (i32.add (local.get $x) (local.get $bytes)))
    (loop $words
      (local.set $word (f32.load (local.get $x)))
      (local.set $x (i32.add (local.get $x) (i32.const 4)))
      (block $next
        (br_if $next (f32.lt (local.get $word) (local.get $smallest)))
        (local.set $depth (f64.mul (f64.sub (local.get $largest) (f64.promote_f32 (local.get $word))) (local.get $inverse)))
        (br_if $next (f64.gt (local.get $depth) (f64.const 44)))
        (local.set $j (f64.trunc (f64.mul (local.get $depth) (f64.const 92.33248261689366))))
        (local.set $r (f64.sub (f64.mul (local.get $j) (f64.const 0.010830424696249145)) (local.get $depth)))
        (local.set $weight
          (f64.mul
            (f64.load (i32.shl
              (i32.wrap_i64 (i64.reinterpret_f64 (f64.add (local.get $j) (f64.const 4503599627370496))))
              (i32.const 3)))
            (f64.add (f64.const 1) (f64.mul (local.get $r)
              (f64.add (f64.const 1) (f64.mul (local.get $r)
                (f64.add (f64.const 0.5) (f64.mul (local.get $r)
                  (f64.add (f64.const 0.16666666666666666) (f64.mul (local.get $r) (f64.const 0.041666666666666664)))))))))))
        (local.set $all (f64.add (local.get $all) (local.get $weight)))
        (local.set $bucket (i32.add (local.get $mass) (i32.shl
          (i32.wrap_i64 (i64.reinterpret_f64 (f64.add
            (f64.trunc (f64.mul (local.get $depth) (f64.const 16))) (f64.const 4503599627370496))))
          (i32.const 3))))
        (f64.store (local.get $bucket) (f64.add (f64.load (local.get $bucket)) (local.get $weight))))
      (br_if $words (i32.lt_u (local.get $x) (local.get $end))))
    (local.get $all)))
