import random
import unittest

from intervals import IntervalSet


class IntervalSetTest(unittest.TestCase):
    def test_keeps_distant_intervals_apart(self):
        self.assertEqual(list(IntervalSet([(5, 7), (1, 3)])), [(1, 3), (5, 7)])

    def test_joins_overlapping_intervals(self):
        self.assertEqual(list(IntervalSet([(1, 4), (3, 9)])), [(1, 9)])

    def test_joins_touching_intervals(self):
        self.assertEqual(list(IntervalSet([(1, 3), (3, 5)])), [(1, 5)])

    def test_one_interval_can_join_many(self):
        self.assertEqual(list(IntervalSet([(1, 2), (4, 5), (7, 8), (0, 9)])), [(0, 9)])

    def test_discard_splits(self):
        numbers = IntervalSet([(0, 10)])
        numbers.discard(3, 5)
        self.assertEqual(list(numbers), [(0, 3), (5, 10)])

    def test_an_empty_interval_is_refused(self):
        with self.assertRaises(ValueError):
            IntervalSet([(3, 3)])

    def test_agrees_with_a_plain_set(self):
        dice, numbers, plain = random.Random(7), IntervalSet(), set()
        for _ in range(300):
            start = dice.randrange(100)
            end = start + dice.randrange(1, 9)
            if dice.random() < 0.5:
                numbers.add(start, end)
                plain |= set(range(start, end))
            else:
                numbers.discard(start, end)
                plain -= set(range(start, end))
            self.assertEqual(len(numbers), len(plain))
            self.assertTrue(all((number in numbers) == (number in plain) for number in range(110)))


if __name__ == "__main__":
    unittest.main()
