-- Every card.
SELECT card, person FROM roster_card ORDER BY card
