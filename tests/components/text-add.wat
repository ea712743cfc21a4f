;; A component written by hand: one exported function, and nothing imported.
(component
  (core module $Sum
    (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))
  (core instance $sum (instantiate $Sum))
  (func (export "add") (param "a" s32) (param "b" s32) (result s32) (canon lift (core func $sum "add"))))
