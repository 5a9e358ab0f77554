import tests.properties.test_consent_ledger as t
def test_mini(house): t._run(house, examples=250, steps=25)
house = t.house
